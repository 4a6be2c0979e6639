// SPDX-License-Identifier: Apache-2.0
#pragma once

/// The one header that an application includes.
#include <mice/index.hpp>
#include <mice/reranker.hpp>
#include <mice/version.hpp>

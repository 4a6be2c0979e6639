// SPDX-License-Identifier: Apache-2.0
#pragma once

/// The one header that an application includes.
#include <mice/attention.hpp>
#include <mice/index.hpp>
#include <mice/passages.hpp>
#include <mice/reranker.hpp>
#include <mice/sentences.hpp>
#include <mice/texts.hpp>
#include <mice/version.hpp>

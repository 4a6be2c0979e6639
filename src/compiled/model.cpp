// SPDX-License-Identifier: Apache-2.0
// Model files and the networks that they hold.
#include <mice/io/json_events_impl.hpp>
#include <mice/io/json_impl.hpp>
#include <mice/io/safetensors_impl.hpp>
#include <mice/model/config_check.hpp>
#include <mice/model/config_json_impl.hpp>
#include <mice/model_impl.hpp>
#include <mice/precision_impl.hpp>

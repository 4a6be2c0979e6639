// SPDX-License-Identifier: Apache-2.0
#pragma once

// Names that lines of C in the documentation may use without declaring them.
#include <mice/mice.h>

#include <stdio.h>
#include <string.h>

static const char* const file = "models/mice-minilm-l6x2-int8.safetensors";
static const char* const query = "why does bread rise";
static const char* const texts[] = {"Hone knives.", "Yeast gives off gas."};
static const size_t sizes[] = {12, 20};
static mice_error* error;
static mice_reranker* reranker;
static mice_ranking* ranking;

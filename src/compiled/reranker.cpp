// SPDX-License-Identifier: Apache-2.0
// Ranking passages, encoded documents and whole texts, and what a model attends to.
#include <mice/attention_impl.hpp>
#include <mice/document_impl.hpp>
#include <mice/query_impl.hpp>
#include <mice/reranker_impl.hpp>
#include <mice/texts_impl.hpp>

// SPDX-License-Identifier: Apache-2.0
// Ranking passages, encoded documents and whole texts.
#include <mice/document_impl.hpp>
#include <mice/query_impl.hpp>
#include <mice/reranker_impl.hpp>
#include <mice/texts_impl.hpp>

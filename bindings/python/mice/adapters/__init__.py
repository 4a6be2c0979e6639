# SPDX-License-Identifier: Apache-2.0
"""What frameworks for retrieval expect of a re-ranker, over ``mice.Reranker``.

One module for each: ``langchain``, ``llama_index``, ``haystack``, ``rerankers``, ``pyterrier``. Each
imports its framework, which comes with the extra of that name: ``pip install mice-rerank[langchain]``.
"""

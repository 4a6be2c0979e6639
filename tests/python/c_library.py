# SPDX-License-Identifier: Apache-2.0
"""libmice by ctypes: what the Python package is compared with."""

import ctypes
from ctypes import byref, c_char_p, c_float, c_int32, c_size_t, c_void_p

import numpy as np

PRECISIONS = {"f32": 1, "bf16": 2, "int8": 3}


class Library:
    """One model in one precision; 0 threads: one for each processor."""

    def __init__(self, library, model, precision, threads=0):
        self.mice = ctypes.CDLL(str(library))
        self.mice.mice_error_message.argtypes = [c_void_p]
        self.mice.mice_error_message.restype = c_char_p
        self.mice.mice_ranking_size.argtypes = [c_void_p]
        self.mice.mice_ranking_size.restype = c_size_t
        self.mice.mice_ranking_free.argtypes = [c_void_p]
        self.options, self.reranker = c_void_p(), c_void_p()
        self.call("mice_options_create", byref(self.options))
        self.call("mice_options_set_precision", self.options, c_int32(PRECISIONS[precision]))
        self.call("mice_options_set_threads", self.options, threads)
        name = str(model).encode()
        self.call("mice_reranker_load", name, len(name), self.options, byref(self.reranker))

    def call(self, name, *arguments):
        error = c_void_p()
        sized = [c_size_t(each) if isinstance(each, int) else each for each in arguments]
        if getattr(self.mice, name)(*sized, byref(error)) != 0:
            raise RuntimeError(self.mice.mice_error_message(error).decode())

    @staticmethod
    def ready_texts(texts):
        """Pointers, sizes and count of texts; they keep the texts."""
        encoded = [text.encode() for text in texts]
        return (c_char_p * len(texts))(*encoded), (c_size_t * len(texts))(*map(len, encoded)), len(texts)

    def ready_documents(self, texts):
        """Pointers and count of encoded documents."""
        made = (c_void_p * len(texts))()
        self.call("mice_encode_all", self.reranker, *self.ready_texts(texts), self.options, made)
        return made, len(texts)

    def rank_texts(self, query, ready):
        self._ranked("mice_rank", query, *ready)

    def rank_documents(self, query, ready):
        self._ranked("mice_rank_documents", query, *ready, None, None)

    def scores(self, query, texts):
        return self._ranked("mice_score", query, *self.ready_texts(texts))

    def _ranked(self, name, query, *of):
        ranking, query = c_void_p(), query.encode()
        self.call(name, self.reranker, query, len(query), *of, self.options, byref(ranking))
        count = self.mice.mice_ranking_size(ranking)
        found = (c_float * count)()
        self.call("mice_ranking_copy_scores", ranking, found, count)
        self.mice.mice_ranking_free(ranking)
        return np.ctypeslib.as_array(found).copy()

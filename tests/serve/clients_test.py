# SPDX-License-Identifier: Apache-2.0
"""The clients that people's programs use get answers from `mice serve`. Argument: the mice program.

The clients are looked for in build/serve/venv/, where tools/serve/setup.sh puts them, or by the
Python that MICE_CLIENTS_PYTHON names; without them the test is skipped.
"""
import os
import subprocess
import sys

from serving import MICE, ROOT, SKIPPED, Server, check

QUERY = "why does bread dough rise"
DOCUMENTS = ["Knives need honing.", "Yeast gives off gas, so the bread dough rises.", "The harbour was closed."]
TOKEN = "a-token"


def with_cohere(url):
    import cohere

    for client in (cohere.ClientV2(TOKEN, base_url=url), cohere.Client(TOKEN, base_url=url)):
        got = client.rerank(model="mice", query=QUERY, documents=DOCUMENTS, top_n=2)
        check([row.index for row in got.results][0] == 1 and len(got.results) == 2, f"{got}")
        check(0.1 < got.results[0].relevance_score < 1, f"{got}")
        check(got.id and got.meta.api_version.version in ("1", "2"), f"{got}")
    got = cohere.Client(TOKEN, base_url=url).rerank(query=QUERY, documents=[{"text": text} for text in DOCUMENTS],
                                                    return_documents=True)
    check(got.results[0].document.text == DOCUMENTS[1] and len(got.results) == 3, f"{got}")
    for token, documents, status in (("wrong", DOCUMENTS, 401), (TOKEN, [], 400)):
        try:
            cohere.ClientV2(token, base_url=url).rerank(model="mice", query=QUERY, documents=documents)
            check(False, "the client noticed nothing")
        except cohere.core.api_error.ApiError as problem:
            check(problem.status_code == status and problem.body["message"], f"{problem}")


def with_litellm(url):
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # asks nobody else
    import litellm

    for model, base in (("cohere/mice", url), ("jina_ai/mice", url + "/v1/rerank"), ("hosted_vllm/mice", url)):
        got = litellm.rerank(model=model, query=QUERY, documents=DOCUMENTS, top_n=2, api_key=TOKEN, api_base=base)
        print(model, got.results)
        check(got.results[0]["index"] == 1 and len(got.results) == 2, f"{model}: {got}")
        check(0.1 < got.results[0]["relevance_score"] < 1, f"{model}: {got}")


def with_llama_index(url):
    from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
    from llama_index.postprocessor.cohere_rerank import CohereRerank
    from llama_index.postprocessor.jinaai_rerank import JinaRerank
    from llama_index.postprocessor.tei_rerank import TextEmbeddingInference

    for client in (TextEmbeddingInference(base_url=url, top_n=2, auth_token="Bearer " + TOKEN),
                   JinaRerank(base_url=url + "/v1", top_n=2, api_key=TOKEN),
                   CohereRerank(base_url=url, top_n=2, api_key=TOKEN, model="mice")):
        nodes = [NodeWithScore(node=TextNode(text=text), score=0.5) for text in DOCUMENTS]
        got = client.postprocess_nodes(nodes, QueryBundle(QUERY))
        check([node.text for node in got][:1] == [DOCUMENTS[1]] and len(got) == 2, f"{client}: {got}")
        check(0.1 < got[0].score < 1, f"{client}: {got}")


def with_langchain(url):
    from langchain_cohere import CohereRerank
    from langchain_core.documents import Document

    client = CohereRerank(base_url=url, cohere_api_key=TOKEN, model="mice", top_n=2)
    got = client.compress_documents([Document(page_content=text) for text in DOCUMENTS], QUERY)
    check(got[0].page_content == DOCUMENTS[1] and len(got) == 2, f"{got}")
    check(0.1 < got[0].metadata["relevance_score"] < 1, f"{got}")


CLIENTS = {"cohere": with_cohere, "litellm": with_litellm, "llama_index": with_llama_index,
           "langchain": with_langchain}


def main():
    python = os.environ.get("MICE_CLIENTS_PYTHON") or ROOT / "build/serve/venv/bin/python"
    try:
        found = subprocess.run([python, "-c", "import cohere, litellm, langchain_cohere"], capture_output=True)
    except OSError:
        found = None
    if found is None or found.returncode != 0:
        print(f"SKIPPED: {python} has no clients; tools/serve/setup.sh installs them")
        sys.exit(SKIPPED)
    if subprocess.run([MICE, "serve", "--port", "0", "--model", "/"], capture_output=True).stderr.count(b"cpp-httplib"):
        print("SKIPPED: this mice was built without serve")
        sys.exit(SKIPPED)
    with Server(environment={"MICE_SERVE_TOKEN": TOKEN}) as server:
        for client in CLIENTS:
            print(client, flush=True)
            check(subprocess.run([python, "-B", __file__, str(MICE), client, server.url]).returncode == 0, client)
        print(server.said())


if len(sys.argv) == 2:
    main()
else:
    CLIENTS[sys.argv[2]](sys.argv[3])

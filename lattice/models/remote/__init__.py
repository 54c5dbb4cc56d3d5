"""A model behind an address: any server that speaks OpenAI's chat completions (llama-server, vLLM, Ollama, a cloud).

Nothing is sent anywhere unless the user names a server, and never to another address than the one named: redirects are
not followed, and servers on this machine or in its local network are reached past any proxy.
"""

"""How is the API served over HTTP and WebSocket?"""

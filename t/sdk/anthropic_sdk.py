"""The official Anthropic SDK for Python; prints {case: result} as JSON.

Usage: anthropic_sdk.py URL '{"acme": KEY, "narrow": KEY, ...}'
"""

import json
import sys

import anthropic

URL, KEYS = sys.argv[1], json.loads(sys.argv[2])
HELLO = [{'role': 'user', 'content': 'Hello'}]
TOOL = [{'name': 'weather', 'input_schema': {
    'type': 'object', 'properties': {'city': {'type': 'string'}}}}]


def client(tenant='acme', retries=0, mock=None):
    headers = {'X-Mock': json.dumps(mock)} if mock else None
    return anthropic.Anthropic(base_url=URL, api_key=KEYS[tenant],
                               max_retries=retries, default_headers=headers)


def message(c, model='claude-sonnet-4-6', **more):
    return c.messages.create(model=model, max_tokens=100, messages=HELLO,
                             **more)


def plain():
    r = message(client())
    return [r.content[0].text, r.usage.output_tokens]


def stream():
    with client().messages.stream(model='claude-sonnet-4-6', max_tokens=100,
                                  messages=HELLO) as s:
        text = ''.join(s.text_stream)
        last = s.get_final_message()
    return [text, last.usage.output_tokens, last.stop_reason]


def tool():
    r = message(client(mock={'tool': True}), tools=TOOL)
    return [r.content[0].name, r.content[0].input, r.stop_reason]


def tool_stream():
    c = client(mock={'tool': True})
    with c.messages.stream(model='claude-sonnet-4-6', max_tokens=100,
                           messages=HELLO, tools=TOOL) as s:
        r = s.get_final_message()
    return [r.content[0].name, r.content[0].input]


def count():
    return client().messages.count_tokens(model='claude-sonnet-4-6',
                                          messages=HELLO).input_tokens


def models():
    return sorted(m.id for m in client('narrow').models.list())


def failure(tenant, **more):
    try:
        message(client(tenant, more.pop('retries', 0)), **more)
    except anthropic.APIStatusError as e:
        return [type(e).__name__, e.status_code, e.body['error']['type'],
                bool(e.request_id)]
    return 'no error'


def rate():
    message(client('slow'))
    return failure('slow')


CASES = {
    'plain': plain, 'stream': stream, 'tool': tool,
    'tool_stream': tool_stream, 'count': count, 'models': models,
    'bad_key': lambda: failure('wrong'),
    'unknown_model': lambda: failure('acme', model='no-such-model'),
    'denied_model': lambda: failure('narrow'),
    'rate': rate,
    'budget': lambda: failure('poor', retries=2),
}

print(json.dumps({name: case() for name, case in CASES.items()
                  if not sys.argv[3:] or name in sys.argv[3:]}))

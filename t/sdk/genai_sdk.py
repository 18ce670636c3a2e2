"""The official Google Gen AI SDK for Python; prints {case: result} as JSON.

Usage: genai_sdk.py URL '{"acme": KEY, "narrow": KEY, ...}'
"""

import json
import sys

from google import genai
from google.genai import errors, types

ALIVE = []
URL, KEYS = sys.argv[1], json.loads(sys.argv[2])
TOOL = [types.Tool(function_declarations=[types.FunctionDeclaration(
    name='weather', parameters=types.Schema(
        type='OBJECT', properties={'city': types.Schema(type='STRING')}))])]


def client(tenant='acme', mock=None):
    headers = {'X-Mock': json.dumps(mock)} if mock else {}
    c = genai.Client(api_key=KEYS[tenant], vertexai=False,
                     http_options=types.HttpOptions(
                         base_url=URL, headers=headers))
    ALIVE.append(c)     # a client that is collected closes its requests
    return c


def generate(c, model='gemini-2.5-flash', **config):
    return c.models.generate_content(
        model=model, contents='Hello',
        config=types.GenerateContentConfig(
            automatic_function_calling=types.AutomaticFunctionCallingConfig(
                disable=True), **config))


def plain():
    r = generate(client())
    return [r.text, r.usage_metadata.candidates_token_count]


def stream():
    chunks = list(client().models.generate_content_stream(
        model='gemini-2.5-flash', contents='Hello'))
    return [''.join(x.text or '' for x in chunks),
            chunks[-1].usage_metadata.candidates_token_count]


def tool():
    r = generate(client(mock={'tool': True}), tools=TOOL)
    return [r.function_calls[0].name, r.function_calls[0].args]


def tool_stream():
    calls = []
    for x in client(mock={'tool': True}).models.generate_content_stream(
            model='gemini-2.5-flash', contents='Hello',
            config=types.GenerateContentConfig(tools=TOOL)):
        calls += x.function_calls or []
    return [calls[0].name, calls[0].args]


def count():
    return client().models.count_tokens(model='gemini-2.5-flash',
                                        contents='Hello').total_tokens


def models():
    return sorted(m.name for m in client('narrow').models.list())


def failure(tenant, **more):
    try:
        generate(client(tenant), **more)
    except errors.APIError as e:
        return [type(e).__name__, e.code, e.status]
    return 'no error'


def rate():
    generate(client('slow'))
    return failure('slow')


CASES = {
    'plain': plain, 'stream': stream, 'tool': tool,
    'tool_stream': tool_stream, 'count': count, 'models': models,
    'bad_key': lambda: failure('wrong'),
    'unknown_model': lambda: failure('acme', model='no-such-model'),
    'denied_model': lambda: failure('narrow'),
    'rate': rate,
    'budget': lambda: failure('poor'),
}

print(json.dumps({name: case() for name, case in CASES.items()
                  if not sys.argv[3:] or name in sys.argv[3:]}))

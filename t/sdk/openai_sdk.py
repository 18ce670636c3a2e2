"""The official OpenAI SDK for Python; prints {case: result} as JSON.

Usage: openai_sdk.py URL '{"acme": KEY, "narrow": KEY, ...}'
"""

import json
import sys

import openai

URL, KEYS = sys.argv[1], json.loads(sys.argv[2])
HELLO = [{'role': 'user', 'content': 'Hello'}]
TOOL = [{'type': 'function', 'function': {
    'name': 'weather', 'parameters': {
        'type': 'object', 'properties': {'city': {'type': 'string'}}}}}]


def client(tenant='acme', retries=0, mock=None):
    headers = {'X-Mock': json.dumps(mock)} if mock else None
    return openai.OpenAI(base_url=URL + '/v1', api_key=KEYS[tenant],
                         max_retries=retries, default_headers=headers)


def chat(c, model='gpt-4.1', **more):
    return c.chat.completions.create(model=model, messages=HELLO, **more)


def plain():
    r = chat(client())
    return [r.choices[0].message.content, r.usage.completion_tokens]


def stream():
    chunks = list(chat(client(), stream=True))
    text = ''.join(x.choices[0].delta.content or '' for x in chunks)
    return [text, sum(1 for x in chunks if not x.choices)]


def stream_usage():
    chunks = list(chat(client(), stream=True,
                       stream_options={'include_usage': True}))
    return chunks[-1].usage.completion_tokens


def tool():
    r = chat(client(mock={'tool': True}), tools=TOOL)
    f = r.choices[0].message.tool_calls[0].function
    return [f.name, json.loads(f.arguments), r.choices[0].finish_reason]


def tool_stream():
    name, args = None, ''
    for x in chat(client(mock={'tool': True}), tools=TOOL, stream=True):
        for call in x.choices[0].delta.tool_calls or [] if x.choices else []:
            name = name or call.function.name
            args += call.function.arguments
    return [name, json.loads(args)]


def responses():
    r = client().responses.create(model='gpt-4.1', input='Hello')
    return [r.output_text, r.usage.output_tokens]


def responses_stream():
    text, last = '', None
    for e in client().responses.create(model='gpt-4.1', input='Hello',
                                       stream=True):
        last = e
        if e.type == 'response.output_text.delta':
            text += e.delta
    return [text, last.type, last.response.usage.output_tokens]


def embeddings():
    r = client().embeddings.create(model='text-embedding-3-small',
                                   input='Hello')
    return r.data[0].embedding


def models():
    return sorted(m.id for m in client('narrow').models.list())


def failure(tenant, **more):
    try:
        chat(client(tenant, more.pop('retries', 0)), **more)
    except openai.APIStatusError as e:
        return [type(e).__name__, e.status_code, e.code, bool(e.request_id)]
    return 'no error'


def rate():
    chat(client('slow'))
    return failure('slow')


CASES = {
    'plain': plain, 'stream': stream, 'stream_usage': stream_usage,
    'tool': tool, 'tool_stream': tool_stream, 'responses': responses,
    'responses_stream': responses_stream, 'embeddings': embeddings,
    'models': models,
    'bad_key': lambda: failure('wrong'),
    'unknown_model': lambda: failure('acme', model='no-such-model'),
    'denied_model': lambda: failure('narrow'),
    'rate': rate,
    # with the SDK's own retries: the answer forbids them
    'budget': lambda: failure('poor', retries=2),
}

print(json.dumps({name: case() for name, case in CASES.items()
                  if not sys.argv[3:] or name in sys.argv[3:]}))

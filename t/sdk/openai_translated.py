"""The official OpenAI SDK for Python; prints {case: result} as JSON.

Usage: openai_translated.py URL KEY MODEL
"""

import json
import sys

import openai

URL, KEY, MODEL = sys.argv[1:4]
HELLO = [{'role': 'user', 'content': 'Hello'}]
TOOL = [{'type': 'function', 'function': {
    'name': 'weather', 'parameters': {
        'type': 'object', 'properties': {'city': {'type': 'string'}}}}}]
IMAGE = [{'role': 'user', 'content': [
    {'type': 'text', 'text': 'What is it?'},
    {'type': 'image_url', 'image_url': {
        'url': 'data:image/png;base64,iVBORw0KGgo='}}]}]


ERROR = {
    'at-anthropic': 'event: content_block_delta\n'
        'data: {"type":"content_block_delta","index":0,'
        '"delta":{"type":"text_delta","text":"tok "}}\n\n'
        'event: error\ndata: {"type":"error","error":{'
        '"type":"overloaded_error","message":"busy"}}\n\n',
    'at-gemini': 'data: {"candidates":[{"content":{"parts":['
        '{"text":"tok "}]}}]}\r\n\r\n'
        'data: {"error":{"code":503,"message":"busy",'
        '"status":"UNAVAILABLE"}}\r\n\r\n',
}


def chat(mock=None, messages=HELLO, **more):
    headers = {'X-Mock': json.dumps(mock)} if mock else None
    client = openai.OpenAI(base_url=URL + '/v1', api_key=KEY, max_retries=0,
                           default_headers=headers)
    return client.chat.completions.create(model=MODEL, messages=messages,
                                          **more)


def plain():
    r = chat()
    c = r.choices[0]
    return [c.message.content, r.usage.completion_tokens,
            r.usage.total_tokens, c.message.role, c.finish_reason, r.object]


def read(chunks):
    text, finish, usage = '', None, 0
    for x in chunks:
        for c in x.choices:
            text += c.delta.content or ''
            finish = c.finish_reason or finish
        usage = x.usage.completion_tokens if x.usage else usage
    return [text, finish, usage]


def tool():
    r = chat({'tool': True}, tools=TOOL)
    m = r.choices[0].message
    f = m.tool_calls[0].function
    return [f.name, json.loads(f.arguments), r.choices[0].finish_reason,
            m.content]


def tool_stream():
    name, args, finish = None, '', None
    for x in chat({'tool': True}, tools=TOOL, stream=True):
        for c in x.choices:
            for call in c.delta.tool_calls or []:
                name = name or call.function.name
                args += call.function.arguments
            finish = c.finish_reason or finish
    return [name, json.loads(args), finish]


def length():
    r = chat(max_tokens=2)
    return [r.choices[0].message.content, r.choices[0].finish_reason]


def failure(mock):
    try:
        chat(mock)
    except openai.APIStatusError as e:
        return [type(e).__name__, e.status_code, e.code]
    return 'no error'


def broken():
    text = ''
    try:
        for x in chat({'type': 'text/event-stream', 'body': ERROR[MODEL]},
                      stream=True):
            text += x.choices[0].delta.content or ''
    except openai.APIError as e:
        return [text, e.code]
    return [text, 'no error']


CASES = {
    'plain': plain,
    'stream': lambda: read(chat(stream=True)),
    'stream_usage': lambda: read(chat(stream=True, stream_options={
        'include_usage': True})),
    'tool': tool, 'tool_stream': tool_stream,
    'image': lambda: chat(messages=IMAGE).choices[0].message.content,
    'length': length, 'broken': broken,
    'error': lambda: failure({'status': 429, 'body': '{"error":{}}'}),
    'page': lambda: failure({'status': 400, 'type': 'text/html',
                             'body': '<html>'}),
}

print(json.dumps({name: case() for name, case in CASES.items()}))

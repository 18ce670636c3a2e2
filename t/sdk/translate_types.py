"""Bodies that the gateway translates, against the official SDKs' own types.

Usage: translate_types.py URL KEY JOURNAL COUNT SEED

Sends COUNT chat requests with members drawn at random to each of the models
at-anthropic and at-gemini.  What the stand-in provider got must be what the
SDK of its dialect could send, member by member; what came back must be what
the SDK of OpenAI knows, without a member that it does not.  Prints JSON:
{model: {sent, declined, answers}, problems: [...]}.
"""

import http.client
import json
import random
import sys
import time
import typing
import urllib.parse

import anthropic.types.message_create_params as anthropic
import google.genai.types as genai
import openai.types.chat as openai
import pydantic
from typing_extensions import NotRequired, Required, is_typeddict

URL, KEY, JOURNAL, COUNT, SEED = sys.argv[1:6]
COUNT = int(COUNT)
PEER = urllib.parse.urlsplit(URL).netloc
rnd = random.Random(int(SEED))


# ---- requests ----

TEXTS = ['Hi', 'a "b" \\ \n', '\u00e9\U0001f600', ' ', '']
PNG = 'data:image/png;base64,iVBORw0KGgo='
SCHEMA = {'type': 'object', 'properties': {'a': {'type': 'string'}},
          'required': ['a'], 'additionalProperties': False}


def text():
    return rnd.choice(TEXTS)


def parts(user):
    kinds = [lambda: {'type': 'text', 'text': text()}]
    if user:
        kinds += [lambda: {'type': 'image_url', 'image_url': {'url': PNG}},
                  lambda: {'type': 'image_url', 'image_url': {
                      'url': 'https://example.com/a.jpg', 'detail': 'low'}},
                  lambda: {'type': 'file', 'file': {
                      'filename': 'a.pdf',
                      'file_data': 'data:application/pdf;base64,JVBERi0='}},
                  lambda: {'type': 'input_audio', 'input_audio': {
                      'data': 'UklGRg==', 'format': 'wav'}}]
    return [rnd.choice(kinds)() for _ in range(rnd.randint(1, 3))]


def content(user=False):
    return text() if rnd.random() < .6 else parts(user)


def turn(n):
    """A user's message, and what an assistant made of it."""
    yield {'role': 'user', 'content': content(True)}
    calls = [{'id': 'call %d-%d' % (n, i) if rnd.random() < .3
              else 'call_%d_%d' % (n, i),
              'type': 'function', 'function': {
                  'name': rnd.choice('fg'), 'arguments': rnd.choice(
                      ['', '{}', '{"a":"\\u00e9 \\"x\\"","b":[1.5,null]}'])}}
             for i in range(rnd.choice([0, 0, 1, 3]))]
    if calls:
        yield {'role': 'assistant', 'content': rnd.choice([None, 'So']),
               'tool_calls': calls}
        rnd.shuffle(calls)
        for call in calls:
            yield {'role': 'tool', 'tool_call_id': call['id'],
                   'content': content()}
    elif rnd.random() < .8:
        yield {'role': 'assistant', 'content': content()}


def messages():
    out = []
    for n in range(rnd.randint(0, 3)):
        if rnd.random() < .4:
            out.append({'role': rnd.choice(['system', 'developer']),
                        'content': content()})
        out += turn(n)
    return out + [{'role': 'user', 'content': 'And now?'}]


FUNCTIONS = [{'type': 'function', 'function': f} for f in (
    {'name': 'f'}, {'name': 'g', 'parameters': SCHEMA, 'strict': True,
                    'description': 'a "g"'},
    {'name': 'h', 'parameters': {}, 'strict': None})]

MEMBERS = {
    'max_tokens': [1, 100], 'max_completion_tokens': [50, None],
    'temperature': [0, .5, 1, 2, None], 'top_p': [.1, 1],
    'stop': ['x', ['a', '\n\n'], [], None], 'n': [1, 2, 8],
    'seed': [7, -1, 2 ** 40], 'presence_penalty': [0, -1.5, 2],
    'frequency_penalty': [0, .5], 'logprobs': [False, None],
    'tools': [FUNCTIONS, FUNCTIONS[:1], []],
    'tool_choice': ['auto', 'none', 'required',
                    {'type': 'function', 'function': {'name': 'f'}},
                    {'type': 'allowed_tools', 'allowed_tools': {
                        'mode': 'required', 'tools': FUNCTIONS[:1]}}],
    'parallel_tool_calls': [True, False],
    'response_format': [{'type': 'text'}, {'type': 'json_object'},
                        {'type': 'json_schema', 'json_schema': {
                            'name': 'x', 'schema': SCHEMA, 'strict': True}}],
    'reasoning_effort': ['none', 'minimal', 'low', 'medium', 'high', 'xhigh',
                         None],
    'service_tier': ['auto', 'default', 'flex', 'priority'],
    'user': ['u-1', 'Jo Doe'], 'safety_identifier': ['abc123'],
    'metadata': [{'a': 'b'}], 'store': [False], 'verbosity': ['low'],
    'stream': [True], 'prompt_cache_key': ['k'],
}


def request(model):
    out = {'model': model, 'messages': messages()}
    for name in rnd.sample(sorted(MEMBERS), rnd.choice([0, 1, 2, 3, 5])):
        out[name] = rnd.choice(MEMBERS[name])
    if 'max_tokens' in out:
        out.pop('max_completion_tokens', None)
    if out.get('stream') and rnd.random() < .5:
        out['stream_options'] = {'include_usage': True}
    return out


MOCKS = [None, {'text': '\u00e9 "x" \\ '}, {'tool': True}, {'events': 1},
         {'finish': 'refusal'}, {'finish': 'SAFETY'}, {'status': 429},
         {'status': 529}, {'context': True}, {'split': 'byte'}]


# ---- what an SDK's type takes ----

def fits(value, hint, path, out):
    """Adds to out what a value of JSON has that its type has not."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)

    if origin in (Required, NotRequired, typing.Annotated):
        return fits(value, args[0], path, out)
    if hint in (typing.Any, object):
        return
    if is_typeddict(hint):
        return fits_dict(value, hint, path, out)
    if origin is typing.Literal:
        ok = value in args
    elif origin is typing.Union:
        return fits_one(value, args, path, out)
    elif origin is dict or hint is dict:
        ok = isinstance(value, dict)
    elif hint in (float, int):
        ok = type(value) is int or (hint is float and type(value) is float)
    elif isinstance(hint, type) and origin is None:
        ok = type(value) is hint
    elif isinstance(value, list):
        for i, v in enumerate(value):
            fits(v, args[0], '%s[%d]' % (path, i), out)
        return
    else:
        ok = False
    if not ok:
        out.append('%s: %r is no %s' % (path, value, hint))


def fits_dict(value, hint, path, out):
    if not isinstance(value, dict):
        out.append('%s: %r is no %s' % (path, value, hint.__name__))
        return
    hints = typing.get_type_hints(hint, include_extras=True)
    for name in value.keys() - hints.keys():
        out.append('%s.%s: not in %s' % (path, name, hint.__name__))
    for name, h in hints.items():
        if name in value:
            fits(value[name], h, '%s.%s' % (path, name), out)
        elif typing.get_origin(h) is Required:
            out.append('%s.%s: missing' % (path, name))


def fits_one(value, hints, path, out):
    best = None
    for h in hints:
        found = []
        fits(value, h, path, found)
        if not found:
            return
        if best is None or len(found) < len(best):
            best = found
    out += best


# of the version that the gateway names; the types are of a newer one
OLDER = {'temperature': float, 'top_p': float, 'top_k': int}


def anthropic_fits(body, out):
    for name in body.keys() & OLDER.keys():
        fits(body.pop(name), OLDER[name], 'body.' + name, out)
    fits(body, anthropic.MessageCreateParamsStreaming if body.get('stream')
         else anthropic.MessageCreateParamsNonStreaming, 'body', out)


GENAI = {'contents': [genai.Content], 'systemInstruction': genai.Content,
         'tools': [genai.Tool], 'toolConfig': genai.ToolConfig,
         'generationConfig': genai.GenerationConfig,
         'serviceTier': genai.ServiceTier}


def genai_fits(body, out):
    for name, value in body.items():
        kind = GENAI.get(name)
        if kind is None:
            out.append('body.%s: not in GenerateContent' % name)
            continue
        listed = isinstance(kind, list)
        for v in value if listed else [value]:
            kind = kind[0] if isinstance(kind, list) else kind
            if kind is genai.ServiceTier:
                if v not in [t.value for t in kind]:
                    out.append('body.serviceTier: %r' % v)
                continue
            try:
                kind.model_validate(v)
            except ValueError as e:
                out.append('body.%s: %s' % (name, e))


def strange(model, path, out):
    """Members that a model of OpenAI's SDK does not know."""
    for name in model.model_extra or {}:
        if name != 'extra_content':
            out.append('%s.%s: unknown' % (path, name))
    for name in type(model).model_fields:
        v = getattr(model, name)
        for x in v if isinstance(v, list) else [v]:
            if isinstance(x, pydantic.BaseModel):
                strange(x, path + '.' + name, out)


def answer_fits(kind, data, out):
    try:
        strange(kind.model_validate_json(data, strict=True), kind.__name__,
                out)
    except ValueError as e:
        out.append('%s: %s' % (kind.__name__, e))


def error_fits(body, out):
    if list(body) != ['error'] or sorted(body['error']) != [
            'code', 'message', 'param', 'type']:
        out.append('error: %r' % body)


# ---- the run ----

def send(conn, body, mock):
    headers = {'Authorization': 'Bearer ' + KEY,
               'Content-Type': 'application/json'}
    if mock:
        headers['X-Mock'] = json.dumps(mock)
    conn.request('POST', '/v1/chat/completions', json.dumps(body), headers)
    r = conn.getresponse()
    return r.status, r.getheader('x-request-id'), r.read()


def check_answer(asked, status, data, out):
    if status != 200:
        error_fits(json.loads(data), out)
    elif asked.get('stream'):
        events = data.decode().split('\n\n')
        if events[-2:] != ['data: [DONE]', '']:
            out.append('stream: no end')
        for e in events[:-2]:
            answer_fits(openai.ChatCompletionChunk, e[6:], out)
    else:
        answer_fits(openai.ChatCompletion, data, out)


def run(model):
    conn = http.client.HTTPConnection(PEER)
    asked = {}
    for _ in range(COUNT):
        body, found = request(model), []
        status, id, data = send(conn, body, rnd.choice(MOCKS))
        check_answer(body, status, data, found)
        asked[id] = body, found
    return asked


def journal(ids, seconds):
    """The bodies that the provider got, by request, once all have come."""
    until = time.time() + seconds
    while True:
        with open(JOURNAL) as f:
            entries = [json.loads(x) for x in f if x.endswith('\n')]
        got = {e['id']: e['body'] for e in entries if e['id'] in ids}
        if len(got) == len(ids) or time.time() > until:
            return got
        time.sleep(.05)


def main():
    out = {'problems': []}
    for model, check in (('at-anthropic', anthropic_fits),
                         ('at-gemini', genai_fits)):
        asked = run(model)
        got = journal(asked, 2)
        for id, (body, found) in asked.items():
            if id in got:
                check(json.loads(got[id].encode('latin-1')), found)
            out['problems'] += ['%s: %s in %s' % (model, x, json.dumps(body))
                                for x in found]
        out[model] = {'sent': len(got), 'declined': len(asked) - len(got)}
    print(json.dumps(out))


main()

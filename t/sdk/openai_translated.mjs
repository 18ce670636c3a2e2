// The official OpenAI SDK for Node; prints {case: result} as JSON.
//
// Usage: openai_translated.mjs URL KEY MODEL

import OpenAI from 'openai';

const [URL, KEY, MODEL] = process.argv.slice(2);
const HELLO = [{ role: 'user', content: 'Hello' }];
const TOOL = [{ type: 'function', function: {
    name: 'weather', parameters: {
        type: 'object', properties: { city: { type: 'string' } } } } }];
const IMAGE = [{ role: 'user', content: [
    { type: 'text', text: 'What is it?' },
    { type: 'image_url', image_url: {
        url: 'data:image/png;base64,iVBORw0KGgo=' } }] }];
const ERROR = {
    'at-anthropic': 'event: content_block_delta\n'
        + 'data: {"type":"content_block_delta","index":0,'
        + '"delta":{"type":"text_delta","text":"tok "}}\n\n'
        + 'event: error\ndata: {"type":"error","error":{'
        + '"type":"overloaded_error","message":"busy"}}\n\n',
    'at-gemini': 'data: {"candidates":[{"content":{"parts":['
        + '{"text":"tok "}]}}]}\r\n\r\n'
        + 'data: {"error":{"code":503,"message":"busy",'
        + '"status":"UNAVAILABLE"}}\r\n\r\n',
};

function chat(mock, more = {}) {
    const client = new OpenAI({
        baseURL: URL + '/v1', apiKey: KEY, maxRetries: 0,
        defaultHeaders: mock ? { 'X-Mock': JSON.stringify(mock) } : {} });

    return client.chat.completions.create(
        { model: MODEL, messages: HELLO, ...more });
}

async function plain() {
    const r = await chat();
    const c = r.choices[0];
    return [c.message.content, r.usage.completion_tokens,
            r.usage.total_tokens, c.message.role, c.finish_reason, r.object];
}

async function read(chunks) {
    let text = '', finish = null, usage = 0;
    for await (const x of await chunks) {
        for (const c of x.choices) {
            text += c.delta.content ?? '';
            finish = c.finish_reason ?? finish;
        }
        usage = x.usage?.completion_tokens ?? usage;
    }
    return [text, finish, usage];
}

async function tool() {
    const r = await chat({ tool: true }, { tools: TOOL });
    const m = r.choices[0].message;
    const f = m.tool_calls[0].function;
    return [f.name, JSON.parse(f.arguments), r.choices[0].finish_reason,
            m.content];
}

// the SDK's own accumulation of chunks

async function tool_stream() {
    const client = new OpenAI({
        baseURL: URL + '/v1', apiKey: KEY, maxRetries: 0,
        defaultHeaders: { 'X-Mock': JSON.stringify({ tool: true }) } });

    const r = await client.chat.completions.stream(
        { model: MODEL, messages: HELLO, tools: TOOL }).finalChatCompletion();
    const f = r.choices[0].message.tool_calls[0].function;
    return [f.name, JSON.parse(f.arguments), r.choices[0].finish_reason];
}

async function length() {
    const r = await chat(null, { max_tokens: 2 });
    return [r.choices[0].message.content, r.choices[0].finish_reason];
}

async function broken() {
    let text = '';
    try {
        for await (const x of await chat({ type: 'text/event-stream',
                                           body: ERROR[MODEL] },
                                         { stream: true })) {
            text += x.choices[0].delta.content ?? '';
        }
    } catch (e) {
        return [text, e.code];
    }
    return [text, 'no error'];
}

async function failure(mock) {
    try {
        await chat(mock);
    } catch (e) {
        return [e.constructor.name, e.status, e.code];
    }
    return 'no error';
}

const CASES = {
    plain,
    stream: () => read(chat(null, { stream: true })),
    stream_usage: () => read(chat(null, {
        stream: true, stream_options: { include_usage: true } })),
    tool, tool_stream,
    image: async () => (await chat(null, { messages: IMAGE }))
        .choices[0].message.content,
    length, broken,
    error: () => failure({ status: 429, body: '{"error":{}}' }),
    page: () => failure({ status: 400, type: 'text/html', body: '<html>' }),
};

const results = {};

for (const name of Object.keys(CASES)) {
    results[name] = await CASES[name]();
}

console.log(JSON.stringify(results));

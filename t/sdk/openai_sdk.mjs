// The official OpenAI SDK for Node; prints {case: result} as JSON.
// Usage: openai_sdk.mjs URL '{"acme": KEY, ...}' [CASE...]

import OpenAI from 'openai';

const [url, keys, ...only] = process.argv.slice(2);
const key = JSON.parse(keys);
const messages = [{ role: 'user', content: 'Hello' }];
const tools = [{ type: 'function', function: { name: 'weather', parameters: {
    type: 'object', properties: { city: { type: 'string' } } } } }];
const tooling = { headers: { 'X-Mock': '{"tool": true}' } };

function client(tenant = 'acme', maxRetries = 0) {
    return new OpenAI({ baseURL: url + '/v1', apiKey: key[tenant],
        maxRetries });
}

function chat(more = {}, options = {}, c = client()) {
    return c.chat.completions.create({ model: 'gpt-4.1', messages, ...more },
        options);
}

async function failure(tenant, more = {}, retries = 0) {
    try {
        await chat(more, {}, client(tenant, retries));
    } catch (e) {
        return [e.constructor.name, e.status, e.code, !!e.requestID];
    }
    return 'no error';
}

const cases = {
    async plain() {
        const r = await chat();
        return [r.choices[0].message.content, r.usage.completion_tokens];
    },

    async stream() {
        let text = '', empty = 0;
        for await (const x of await chat({ stream: true })) {
            if (!x.choices.length) empty++;
            text += x.choices[0]?.delta.content ?? '';
        }
        return [text, empty];
    },

    async stream_usage() {
        let last;
        for await (const x of await chat({ stream: true,
            stream_options: { include_usage: true } })) last = x;
        return last.usage.completion_tokens;
    },

    async tool() {
        const r = await chat({ tools }, tooling);
        const f = r.choices[0].message.tool_calls[0].function;
        return [f.name, JSON.parse(f.arguments), r.choices[0].finish_reason];
    },

    async tool_stream() {
        let name, args = '';
        for await (const x of await chat({ tools, stream: true }, tooling)) {
            for (const c of x.choices[0]?.delta.tool_calls ?? []) {
                name ??= c.function.name;
                args += c.function.arguments;
            }
        }
        return [name, JSON.parse(args)];
    },

    async responses() {
        const r = await client().responses.create({ model: 'gpt-4.1',
            input: 'Hello' });
        return [r.output_text, r.usage.output_tokens];
    },

    async responses_stream() {
        let text = '', last;
        for await (const e of await client().responses.create({
            model: 'gpt-4.1', input: 'Hello', stream: true })) {
            last = e;
            if (e.type === 'response.output_text.delta') text += e.delta;
        }
        return [text, last.type, last.response.usage.output_tokens];
    },

    async embeddings() {
        const r = await client().embeddings.create({
            model: 'text-embedding-3-small', input: 'Hello' });
        return r.data[0].embedding;
    },

    async models() {
        const ids = [];
        for await (const m of client('narrow').models.list()) ids.push(m.id);
        return ids.sort();
    },

    bad_key: () => failure('wrong'),
    unknown_model: () => failure('acme', { model: 'no-such-model' }),
    denied_model: () => failure('narrow'),

    async rate() {
        await chat({}, {}, client('slow'));
        return failure('slow');
    },

    // with the SDK's own retries: the answer forbids them
    budget: () => failure('poor', {}, 2),
};

const out = {};

for (const [name, run] of Object.entries(cases)) {
    if (!only.length || only.includes(name)) out[name] = await run();
}

console.log(JSON.stringify(out));

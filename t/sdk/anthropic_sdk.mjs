// The official Anthropic SDK for Node; prints {case: result} as JSON.
// Usage: anthropic_sdk.mjs URL '{"acme": KEY, ...}' [CASE...]

import Anthropic from '@anthropic-ai/sdk';

const [url, keys, ...only] = process.argv.slice(2);
const key = JSON.parse(keys);
const base = { model: 'claude-sonnet-4-6', max_tokens: 100,
    messages: [{ role: 'user', content: 'Hello' }] };
const tools = [{ name: 'weather', input_schema: { type: 'object',
    properties: { city: { type: 'string' } } } }];
const tooling = { headers: { 'X-Mock': '{"tool": true}' } };

function client(tenant = 'acme', maxRetries = 0) {
    return new Anthropic({ baseURL: url, apiKey: key[tenant], maxRetries });
}

async function failure(tenant, more = {}, retries = 0) {
    try {
        await client(tenant, retries).messages.create({ ...base, ...more });
    } catch (e) {
        return [e.constructor.name, e.status, e.error?.error?.type,
            !!e.requestID];
    }
    return 'no error';
}

const cases = {
    async plain() {
        const r = await client().messages.create(base);
        return [r.content[0].text, r.usage.output_tokens];
    },

    async stream() {
        let text = '';
        const s = client().messages.stream(base);
        s.on('text', (t) => { text += t; });
        const r = await s.finalMessage();
        return [text, r.usage.output_tokens, r.stop_reason];
    },

    async tool() {
        const r = await client().messages.create({ ...base, tools }, tooling);
        return [r.content[0].name, r.content[0].input, r.stop_reason];
    },

    async tool_stream() {
        const r = await client().messages.stream({ ...base, tools }, tooling)
            .finalMessage();
        return [r.content[0].name, r.content[0].input];
    },

    async count() {
        const r = await client().messages.countTokens({ model: base.model,
            messages: base.messages });
        return r.input_tokens;
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
        await client('slow').messages.create(base);
        return failure('slow');
    },

    budget: () => failure('poor', {}, 2),
};

const out = {};

for (const [name, run] of Object.entries(cases)) {
    if (!only.length || only.includes(name)) out[name] = await run();
}

console.log(JSON.stringify(out));

// The official Google Gen AI SDK for Node; prints {case: result} as JSON.
// Usage: genai_sdk.mjs URL '{"acme": KEY, ...}' [CASE...]

import { GoogleGenAI } from '@google/genai';

const [url, keys, ...only] = process.argv.slice(2);
const key = JSON.parse(keys);
const base = { model: 'gemini-2.5-flash', contents: 'Hello' };
const tools = [{ functionDeclarations: [{ name: 'weather',
    parameters: { type: 'OBJECT',
        properties: { city: { type: 'STRING' } } } }] }];

function client(tenant = 'acme', headers = {}) {
    return new GoogleGenAI({ apiKey: key[tenant], vertexai: false,
        httpOptions: { baseUrl: url, headers } });
}

const tooling = () => client('acme', { 'X-Mock': '{"tool": true}' });

async function failure(tenant, more = {}) {
    try {
        await client(tenant).models.generateContent({ ...base, ...more });
    } catch (e) {
        let status;
        try {
            status = JSON.parse(e.message).error.status;
        } catch { }
        return [e.constructor.name, e.status, status];
    }
    return 'no error';
}

const cases = {
    async plain() {
        const r = await client().models.generateContent(base);
        return [r.text, r.usageMetadata.candidatesTokenCount];
    },

    async stream() {
        let text = '', last;
        for await (const x of
            await client().models.generateContentStream(base)) {
            text += x.text ?? '';
            last = x;
        }
        return [text, last.usageMetadata.candidatesTokenCount];
    },

    async tool() {
        const r = await tooling().models.generateContent({ ...base,
            config: { tools } });
        return [r.functionCalls[0].name, r.functionCalls[0].args];
    },

    async tool_stream() {
        const calls = [];
        for await (const x of await tooling().models.generateContentStream({
            ...base, config: { tools } })) calls.push(...x.functionCalls ?? []);
        return [calls[0].name, calls[0].args];
    },

    async count() {
        return (await client().models.countTokens(base)).totalTokens;
    },

    async models() {
        const names = [];
        for await (const m of await client('narrow').models.list()) {
            names.push(m.name);
        }
        return names.sort();
    },

    bad_key: () => failure('wrong'),
    unknown_model: () => failure('acme', { model: 'no-such-model' }),
    denied_model: () => failure('narrow'),

    async rate() {
        await client('slow').models.generateContent(base);
        return failure('slow');
    },

    budget: () => failure('poor'),
};

const out = {};

for (const [name, run] of Object.entries(cases)) {
    if (!only.length || only.includes(name)) out[name] = await run();
}

console.log(JSON.stringify(out));

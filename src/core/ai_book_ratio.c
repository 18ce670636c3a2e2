
/*
 * What is learned of each model: bytes per token, and the length of answers.
 */


#include "ai_book_int.h"


#define AI_RATIO_ONE     1024

/* one absurd report must not make the next estimates absurd */
#define AI_RATIO_MIN     (AI_RATIO_ONE / 4)
#define AI_RATIO_MAX     (AI_RATIO_ONE * 1024)
#define AI_RATIO_TOKENS  (1 << 20)

#define AI_RATIO_PROBES  32

#define ai_ratio_pack(in, out)  ((uint64_t) (in) | (uint64_t) (out) << 32)


static const ai_ratio_t  ai_ratio_start = {
    4 * AI_RATIO_ONE, 4 * AI_RATIO_ONE, 256
};


/* FNV-1a and the finalizer of MurmurHash3; names come from the operator */

static uint64_t
ai_ratio_key(const ai_str_t *model)
{
    size_t    i;
    uint64_t  h;

    h = 0xcbf29ce484222325ULL;

    for (i = 0; i < model->len; i++) {
        h = (h ^ model->data[i]) * 0x100000001b3ULL;
    }

    h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdULL;
    h ^= h >> 33;

    return h ? h : 1;
}


/* the model's place, or the empty one where it would go, or NULL */

static ai_model_t *
ai_ratio_find(const ai_book_t *bk, uint64_t key)
{
    unsigned     i;
    uint64_t     k;
    ai_model_t  *m;

    for (i = 0; i < AI_RATIO_PROBES; i++) {
        m = (ai_model_t *) &bk->models[(key + i) % AI_BOOK_MODELS];
        k = __atomic_load_n(&m->key, __ATOMIC_ACQUIRE);

        if (k == key || k == 0) {
            return m;
        }
    }

    return NULL;
}


/*
 * Two ratios share a word, so that a reader without the lock sees none of them
 * half written.  The key is written last.
 */

static void
ai_ratio_read(const ai_model_t *m, ai_ratio_t *r)
{
    uint64_t  bytes;

    bytes = __atomic_load_n(&m->bytes, __ATOMIC_RELAXED);

    r->in_bytes = (uint32_t) bytes;
    r->out_bytes = (uint32_t) (bytes >> 32);
    r->out_tokens = (uint32_t) __atomic_load_n(&m->tokens, __ATOMIC_RELAXED);
}


void
ai_book_ratio_get(const ai_book_t *bk, const ai_str_t *model, ai_ratio_t *r)
{
    const ai_model_t  *m;

    m = ai_ratio_find(bk, ai_ratio_key(model));

    *r = ai_ratio_start;

    if (m && __atomic_load_n(&m->key, __ATOMIC_ACQUIRE)) {
        ai_ratio_read(m, r);
    }

    /* read while an undo takes a new model away again */

    if (r->in_bytes == 0 || r->out_bytes == 0 || r->out_tokens == 0) {
        *r = ai_ratio_start;
    }
}


static uint32_t
ai_ratio_weigh(uint32_t old, uint64_t sample, uint64_t min, uint64_t max)
{
    int64_t  n;

    n = (int64_t) (sample < min ? min : sample > max ? max : sample);

    /* away from zero, so that it gets where it goes */

    n -= old;
    n = n < 0 ? (n - 15) / 16 : (n + 15) / 16;

    return (uint32_t) ((int64_t) old + n);
}


static uint64_t
ai_ratio_sample(uint64_t bytes, uint64_t tokens)
{
    uint64_t  scaled;

    if (__builtin_mul_overflow(bytes, AI_RATIO_ONE, &scaled)) {
        return UINT64_MAX;
    }

    return scaled / tokens;
}


void
ai_book_ratio_learn(ai_book_t *bk, const ai_str_t *model,
    uint64_t body_bytes, uint64_t input_tokens, uint64_t text_bytes,
    uint64_t output_tokens)
{
    ai_tx_t      tx;
    uint64_t     key;
    ai_ratio_t   r;
    ai_model_t  *m;

    ai_tx_begin(&tx, bk, 0, 0);

    key = ai_ratio_key(model);
    m = ai_ratio_find(bk, key);

    if (m == NULL) {
        return;
    }

    r = ai_ratio_start;

    if (m->key) {
        ai_ratio_read(m, &r);
    }

    if (body_bytes && input_tokens) {
        r.in_bytes = ai_ratio_weigh(r.in_bytes,
                                    ai_ratio_sample(body_bytes, input_tokens),
                                    AI_RATIO_MIN, AI_RATIO_MAX);
    }

    if (text_bytes && output_tokens) {
        r.out_bytes = ai_ratio_weigh(r.out_bytes,
                                    ai_ratio_sample(text_bytes, output_tokens),
                                    AI_RATIO_MIN, AI_RATIO_MAX);
    }

    if (output_tokens) {
        r.out_tokens = ai_ratio_weigh(r.out_tokens, output_tokens, 1,
                                      AI_RATIO_TOKENS);
    }

    ai_tx_put(&tx, &m->bytes, ai_ratio_pack(r.in_bytes, r.out_bytes));
    ai_tx_put(&tx, &m->tokens, r.out_tokens);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    ai_tx_put(&tx, &m->key, key);

    (void) ai_tx_commit(&tx);
}


/*
 * A book with one worker and an ask of one tenant.
 */


#ifndef BOOK_FIXTURE_H
#define BOOK_FIXTURE_H


#define DAY    1795219200ULL            /* 2026-11-21 00:00:00 */
#define MONO   (40 * 86400 * 1000ULL)


typedef struct {
    ai_book_t      *bk;
    size_t          size;
    ai_now_t        now;
    ai_limit_t      limits[8];
    ai_hold_ask_t   ask;
    ai_refused_t    why;
} fixture_t;


static const ai_char  zone_id[16] = "0123456789abcde";
static const int64_t   never[AI_RES_COUNTED];
static const uint64_t  none[2];


static inline void
owner_id(ai_owner_id_t *id, uint32_t n)
{
    memset(id, 0, sizeof(ai_owner_id_t));
    memcpy(id->id, &n, 4);
    id->id[15] = 1;
}


static inline void
begin(fixture_t *f, size_t size)
{
    memset(f, 0, sizeof(fixture_t));

    f->size = (size + 63) / 64 * 64;
    f->bk = aligned_alloc(64, f->size);
    memset(f->bk, 0xff, f->size);
    assert_int_equal(ai_book_init(f->bk, f->size, zone_id), AI_OK);

    f->now.now_s = DAY + 3600;
    f->now.mono_ms = MONO;

    f->ask.nparty = 1;
    f->ask.party[0].limits = f->limits;
    f->ask.bound[AI_RES_REQUESTS] = 1;
    f->ask.worker = (uint16_t) ai_book_worker(f->bk, 4711, 99);
    owner_id(&f->ask.party[0].id, 1);
    owner_id(&f->ask.party[1].id, 2);
}


static inline void
end(fixture_t *f)
{
    free(f->bk);
}


static inline void
limit(fixture_t *f, int resource, int period, int64_t amount)
{
    ai_limit_t  *l;

    l = &f->limits[f->ask.party[0].nlimits++];
    l->resource = (uint8_t) resource;
    l->period = (uint8_t) period;
    l->amount = amount;
    l->burst = amount;
}


static inline int
take(fixture_t *f, ai_ref_t *hold)
{
    return ai_book_take(f->bk, &f->ask, &f->now, hold, &f->why);
}


static inline void
settle(fixture_t *f, ai_ref_t hold, int64_t tokens, int64_t cost)
{
    int64_t   used[AI_RES_COUNTED] = { 1, tokens, tokens, 0, cost };
    uint64_t  n[2] = { (uint64_t) tokens, 0 };

    ai_book_settle(f->bk, hold, used, n, &f->now);
}


static inline void
give_back(fixture_t *f, ai_ref_t hold)
{
    ai_book_settle(f->bk, hold, never, none, &f->now);
}


static inline ai_owner_view_t
view(fixture_t *f, unsigned party)
{
    ai_owner_view_t  v;

    ai_book_owner_view(f->bk,
                       ai_book_owner_find(f->bk, &f->ask.party[party].id),
                       f->now.now_s, &v);
    return v;
}


static inline ai_limit_view_t
limit_view(fixture_t *f, unsigned i)
{
    ai_limit_view_t  v;

    ai_book_limit_view(f->bk,
                       ai_book_owner_find(f->bk, &f->ask.party[0].id),
                       &f->limits[i], &f->now, &v);
    return v;
}


#endif /* BOOK_FIXTURE_H */

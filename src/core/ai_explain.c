
/*
 * What a refusal by a limit tells the tenant's developer.
 */


#include "ai_explain.h"
#include "ai_duration.h"


static const char *const  ai_explain_resources[AI_RES_N] = {
    "requests",
    "tokens",
    "input tokens",
    "output tokens",
    "cost",
    "concurrent requests"
};

static const char *const  ai_explain_periods[AI_PERIOD_NONE + 1] = {
    " per second",
    " per minute",
    " per hour",
    " per day",
    " per month",
    " in all",
    ""
};


static void
ai_explain_amount(ai_buf_t *b, const ai_limit_t *l, int64_t n)
{
    if (l->resource == AI_RES_COST) {
        ai_buf_nanos(b, n);
        ai_buf_cstr(b, " USD");
        return;
    }

    ai_buf_int(b, n);
}


/* "tokens are limited to 1000 per day" */

static void
ai_explain_limit(ai_buf_t *b, const ai_refused_t *why)
{
    const ai_limit_t  *l = &why->limit;

    ai_buf_cstr(b, ai_explain_resources[l->resource]);

    if (why->party) {
        ai_buf_cstr(b, " of this key");
    }

    ai_buf_cstr(b, l->resource == AI_RES_COST ? " is" : " are");
    ai_buf_cstr(b, " limited to ");
    ai_explain_amount(b, l, l->amount);
    ai_buf_cstr(b, ai_explain_periods[l->period]);
}


static void
ai_explain_window(ai_buf_t *b, const ai_refused_t *why, uint64_t now_s)
{
    const ai_limit_t  *l = &why->limit;

    ai_buf_cstr(b, "You exceeded your current quota: ");
    ai_explain_limit(b, why);
    ai_buf_cstr(b, ", of which ");
    ai_explain_amount(b, l, why->used);
    ai_buf_cstr(b, " are used and ");
    ai_explain_amount(b, l, why->held);
    ai_buf_cstr(b, " are held by requests under way. The quota resets at ");
    ai_duration_date(b, ai_window_end((ai_period_t) l->period, now_s) * 1000);
    ai_buf_char(b, '.');
}


static void
ai_explain_total(ai_buf_t *b, const ai_refused_t *why)
{
    const ai_limit_t  *l = &why->limit;

    ai_buf_cstr(b, "You exceeded your current quota: the prepaid balance");

    if (why->party) {
        ai_buf_cstr(b, " of this key");
    }

    ai_buf_cstr(b, " does not cover this request. Of ");
    ai_explain_amount(b, l, l->amount);
    ai_buf_cstr(b, " paid, ");
    ai_explain_amount(b, l, why->used);
    ai_buf_cstr(b, " are used and ");
    ai_explain_amount(b, l, why->held);
    ai_buf_cstr(b, " are held by requests under way.");
}


static void
ai_explain_bucket(ai_buf_t *b, const ai_refused_t *why)
{
    ai_buf_cstr(b, why->budget ? "You exceeded your current quota: "
                               : "Rate limit reached: ");
    ai_explain_limit(b, why);

    if (why->wait_ms < 0) {
        ai_buf_cstr(b, ", and this request needs more than that at once.");
        return;
    }

    ai_buf_cstr(b, ". Please try again in ");
    ai_duration_go(b, why->wait_ms ? why->wait_ms : 1);
    ai_buf_char(b, '.');
}


void
ai_explain(ai_buf_t *b, const ai_refused_t *why, uint64_t now_s)
{
    const ai_limit_t  *l = &why->limit;

    if (l->resource >= AI_RES_N || l->period > AI_PERIOD_NONE) {
        return;
    }

    if (l->resource == AI_RES_CONCURRENCY) {
        ai_buf_cstr(b, "Rate limit reached: ");
        ai_explain_limit(b, why);
        ai_buf_cstr(b, ". Please try again when one has ended.");
        return;
    }

    if (l->period == AI_PERIOD_DAY || l->period == AI_PERIOD_MONTH) {
        ai_explain_window(b, why, now_s);
        return;
    }

    if (l->period == AI_PERIOD_TOTAL) {
        ai_explain_total(b, why);
        return;
    }

    ai_explain_bucket(b, why);
}

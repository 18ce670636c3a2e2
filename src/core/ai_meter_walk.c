
/*
 * From tokens to members: follows the schema's tables through the JSON.
 */


#include "ai_meter_walk.h"


#define AI_METER_LEVELS  (sizeof(((ai_meter_t *) 0)->path) / sizeof(void *))


static void ai_meter_enter(ai_meter_t *m, unsigned array);
static void ai_meter_leave(ai_meter_t *m);
static void ai_meter_key(ai_meter_t *m, const ai_json_token_t *tok);
static void ai_meter_scalar(ai_meter_t *m, const ai_json_token_t *tok);
static unsigned ai_meter_valued(ai_meter_t *m, const ai_field_t *field,
    const ai_json_token_t *tok);
static void ai_meter_count(ai_meter_t *m, const ai_json_token_t *tok,
    unsigned count);
static AI_RARE void ai_meter_collect(ai_meter_t *m,
    const ai_json_token_t *tok);
static const ai_field_t *ai_meter_field(const ai_meter_t *m);
static const ai_field_t *ai_meter_lookup(const ai_node_t *node,
    const ai_char *key, size_t len);


/* the array around Gemini's elements; each element is a root */

static const ai_node_t  ai_meter_list = { NULL, 0, AI_HOOK_NONE, 0, NULL };


void
ai_meter_token(ai_meter_t *m, const ai_json_token_t *tok)
{
    switch (tok->type) {

    case AI_JSON_OBJECT:
    case AI_JSON_ARRAY:
        ai_meter_enter(m, tok->type == AI_JSON_ARRAY);
        return;

    case AI_JSON_OBJECT_END:
    case AI_JSON_ARRAY_END:
        ai_meter_leave(m);
        m->json_done = (m->level == 0);
        return;

    case AI_JSON_KEY:
        ai_meter_key(m, tok);
        return;

    default:
        ai_meter_scalar(m, tok);
    }
}


static void
ai_meter_enter(ai_meter_t *m, unsigned array)
{
    const ai_node_t   *node;
    const ai_field_t  *field;

    if (m->level == 0) {

        if (array && m->dialect == AI_DIALECT_GEMINI) {
            m->list = 1;
            m->path[m->level++] = &ai_meter_list;
            return;
        }

        node = m->root;

    } else if (m->path[m->level - 1] == &ai_meter_list) {
        node = m->root;

    } else {
        field = ai_meter_field(m);
        node = field ? field->node : NULL;

        if (field && node == NULL && field->op >= AI_OP_STORE) {
            m->odd = 1;
        }
    }

    if (node == NULL
        || (node->element != NULL) != array
        || m->level == AI_METER_LEVELS
        || ai_meter_begin(m, node) != AI_OK)
    {
        m->skip = 1;
        m->skip_depth = (uint8_t) (m->json.depth - 1);
        return;
    }

    m->path[m->level++] = node;
    m->field = NULL;
}


static void
ai_meter_leave(ai_meter_t *m)
{
    const ai_node_t  *node;

    node = m->path[--m->level];
    m->field = NULL;

    if (node != &ai_meter_list) {
        ai_meter_finish(m, node);
    }

    if (m->list && m->level == 1) {
        ai_meter_element(m);
    }
}


static void
ai_meter_key(ai_meter_t *m, const ai_json_token_t *tok)
{
    const ai_node_t  *node;

    node = m->path[m->level - 1];

    if (tok->first && tok->last && !tok->escaped) {
        m->field = ai_meter_lookup(node, tok->data, tok->len);

    } else {
        ai_meter_collect(m, tok);

        if (!tok->last) {
            return;
        }

        m->field = m->overlong ? NULL
                               : ai_meter_lookup(node, m->scratch,
                                                 m->scratch_len);
    }

    if (m->field == NULL) {
        m->skip = 1;
        m->skip_depth = (uint8_t) m->json.depth;
    }
}


static void
ai_meter_scalar(ai_meter_t *m, const ai_json_token_t *tok)
{
    const ai_field_t  *field;

    if (m->path[m->level - 1]->hook == AI_HOOK_CHOICES) {
        m->ev.choices = 2;
    }

    field = ai_meter_field(m);

    if (field == NULL || field->op == AI_OP_NONE) {
        return;
    }

    if (!ai_meter_valued(m, field, tok)) {
        return;
    }

    if (tok->first && tok->last && !tok->escaped
        && tok->len <= sizeof(m->scratch))
    {
        ai_meter_value(m, field, tok->data, tok->len,
                       tok->type == AI_JSON_STRING);
        return;
    }

    ai_meter_collect(m, tok);

    if (!tok->last) {
        return;
    }

    if (m->overlong) {
        m->odd = 1;
        return;
    }

    ai_meter_value(m, field, m->scratch, m->scratch_len,
                   tok->type == AI_JSON_STRING);
}


/* whether it has a value of a type that the field takes */

static unsigned
ai_meter_valued(ai_meter_t *m, const ai_field_t *field,
    const ai_json_token_t *tok)
{
    switch (tok->type) {

    case AI_JSON_STRING:

        if (field->op == AI_OP_COUNT) {
            ai_meter_count(m, tok, field->arg);
            return 0;
        }

        return 1;

    case AI_JSON_NUMBER:

        return field->op >= AI_OP_STORE || field->op == AI_OP_ERROR_CODE;

    case AI_JSON_TRUE:

        if (field->op == AI_OP_THOUGHT) {
            m->ev.thought = 1;
            return 0;
        }

        /* fall through */

    case AI_JSON_FALSE:

        if (field->op >= AI_OP_STORE && field->op != AI_OP_THOUGHT) {
            m->odd = 1;
        }

        return 0;

    default: /* null: as if it were not there */
        return 0;
    }
}


/* text that nobody keeps: without escapes its length is known at once */

static void
ai_meter_count(ai_meter_t *m, const ai_json_token_t *tok, unsigned count)
{
    ai_text_sum_t  *sum;

    sum = &m->ev.count[count];

    if (tok->first) {
        memset(&m->text, 0, sizeof(ai_text_t));
        m->ev.before = *sum;
        m->ev.counting = (uint8_t) (count + 1);
    }

    if (tok->escaped) {
        ai_text_add(&m->text, tok->data, tok->len, sum, NULL);

    } else {
        sum->bytes += tok->len;
        sum->points += ai_text_points(tok->data, tok->len);
    }

    if (tok->last) {
        ai_text_end(&m->text, sum, NULL);
        m->ev.counting = 0;
    }
}


/* gathers a key or value that is escaped or comes in pieces */

static AI_RARE void
ai_meter_collect(ai_meter_t *m, const ai_json_token_t *tok)
{
    ai_buf_t  b;

    if (tok->first) {
        memset(&m->text, 0, sizeof(ai_text_t));
        m->scratch_len = 0;
        m->overlong = 0;
    }

    ai_buf_init(&b, m->scratch + m->scratch_len,
                sizeof(m->scratch) - m->scratch_len);

    ai_text_add(&m->text, tok->data, tok->len, NULL, &b);

    if (tok->last) {
        ai_text_end(&m->text, NULL, &b);
    }

    m->scratch_len = (uint8_t) (b.pos - m->scratch);
    m->overlong |= b.full;
}


static const ai_field_t *
ai_meter_field(const ai_meter_t *m)
{
    const ai_node_t  *node;

    node = m->path[m->level - 1];

    return node->element ? node->element : m->field;
}


static const ai_field_t *
ai_meter_lookup(const ai_node_t *node, const ai_char *key, size_t len)
{
    unsigned           i;
    const ai_field_t  *field;

    for (i = 0; i < node->nfields; i++) {
        field = &node->fields[i];

        if (field->len == len && field->key[0] == (char) key[0]
            && memcmp(field->key, key, len) == 0)
        {
            return field;
        }
    }

    return NULL;
}


/*
 * Chat requests for Anthropic and Gemini: what each member becomes, and what is
 * declined.  Bodies are written with ' for ".
 */


#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>
#include "ai_translate_request.h"


#define A  AI_DIALECT_ANTHROPIC
#define G  AI_DIALECT_GEMINI


static ai_char                written[1024 * 1024];
static size_t                 nwritten;
static size_t                 room = sizeof(written);
static const char            *param, *error;
static const char            *target;
static ai_translate_want_t    want;


static int
put(void *data, const ai_char *p, size_t len)
{
    (void) data;

    if (len > room - nwritten) {
        return AI_ERROR;
    }

    memcpy(written + nwritten, p, len);
    nwritten += len;

    return AI_OK;
}


static char *
quoted(const char *text)
{
    char  *p, *copy;

    copy = strdup(text);

    for (p = copy; *p; p++) {
        if (*p == '\'') {
            *p = '"';
        }
    }

    return copy;
}


/* the body is accepted as a chat request, and in memory of its own */

static int
translate(ai_dialect_t api, const char *body)
{
    int           rc, check;
    char         *text;
    size_t        len;
    ai_out_t      out;
    ai_str_t      model, none = ai_string("");
    ai_char      *copy;
    const char   *p, *e;
    ai_request_t  rq;

    text = quoted(body);
    len = strlen(text);
    copy = malloc(len);
    memcpy(copy, text, len);
    free(text);

    if (ai_request_scan(&rq, AI_EP_CHAT, copy, len, &none, &none) != AI_OK) {
        fail_msg("%s: %s", body, rq.error);
    }

    model.data = (ai_char *) (target ? target
                                     : api == A ? "claude" : "gemini-3-pro");
    model.len = strlen((char *) model.data);

    want.api = api;
    want.model = &model;

    memset(&out, 0, sizeof(out));
    check = ai_translate_request(&out, &want, copy, len, &p, &e);

    out.put = put;
    nwritten = 0;
    rc = ai_translate_request(&out, &want, copy, len, &param, &error);
    free(copy);

    if (rc != AI_ERROR) {
        assert_int_equal(rc, check);
        assert_ptr_equal(param, p);
        assert_ptr_equal(error, e);
    }

    assert_int_equal(rc == AI_DECLINED, error != NULL);

    if (rc == AI_OK
        && ai_request_scan(&rq, api == A ? AI_EP_MESSAGES : AI_EP_GENERATE,
                           written, nwritten, &model, &none) != AI_OK)
    {
        fail_msg("%.*s: %s", (int) nwritten, written, rq.error);
    }

    return rc;
}


static void
becomes(ai_dialect_t api, const char *body, const char *expected)
{
    int    rc;
    char  *text;

    rc = translate(api, body);

    if (rc != AI_OK) {
        fail_msg("%s: %s: %s", body, param ? param : "-", error);
    }

    text = quoted(expected);

    if (nwritten != strlen(text) || memcmp(written, text, nwritten) != 0) {
        fail_msg("%s\n%.*s\n%s", body, (int) nwritten, written, text);
    }

    free(text);
}


static void
declined(ai_dialect_t api, const char *body, const char *name)
{
    if (translate(api, body) != AI_DECLINED) {
        fail_msg("%s is not declined: %.*s", body, (int) nwritten, written);
    }

    if (name == NULL) {
        assert_null(param);

    } else if (param == NULL || strcmp(param, name) != 0) {
        fail_msg("%s: %s: %s", body, param ? param : "-", error);
    }

    assert_non_null(strchr(error, '.'));
}


/* bodies with one message, and members beside it; "," begins them */

#define HI        "'messages':[{'role':'user','content':'hi'}]"
#define CHAT(m)   "{'model':'m'," HI m "}"
#define SAYS(c)   "{'model':'m','messages':[{'role':'user','content':" c "}]}"
#define TALK(m)   "{'model':'m','messages':[" m "]}"

#define A_HI      "{'model':'claude','messages':[{'role':'user','content':"   \
                  "[{'type':'text','text':'hi'}]}]"
#define A_IS(m)   A_HI ",'max_tokens':100" m "}"
#define A_SAYS(c) "{'model':'claude','messages':[{'role':'user','content':["  \
                  c "]}],'max_tokens':100}"
#define A_TALK(m) "{'model':'claude','messages':[" m "],'max_tokens':100}"

#define G_HI      "{'contents':[{'role':'user','parts':[{'text':'hi'}]}]"
#define G_IS(m)   G_HI m "}"
#define G_SAYS(c) "{'contents':[{'role':'user','parts':[" c "]}]}"
#define G_TALK(m) "{'contents':[" m "]}"


static int
setup(void **state)
{
    (void) state;

    target = NULL;
    memset(&want, 0, sizeof(want));
    want.max_output = -1;
    room = sizeof(written);

    return 0;
}


/* Anthropic needs a cap, which is of no interest in most tests */

static int
setup_cap(void **state)
{
    (void) setup(state);
    want.max_output = 100;

    return 0;
}


static void
test_route(void **state)
{
    ai_route_t  from, to;

    (void) state;

    memset(&from, 0, sizeof(from));
    from.ep = AI_EP_CHAT;
    from.dialect = AI_DIALECT_OPENAI;

    assert_int_equal(ai_translate_route(&to, &from, A, 0), AI_OK);
    assert_int_equal(to.ep, AI_EP_MESSAGES);
    assert_int_equal(to.dialect, A);
    assert_int_equal(ai_translate_route(&to, &from, A, 1), AI_OK);
    assert_int_equal(to.ep, AI_EP_MESSAGES);
    assert_int_equal(to.sse, 0);

    assert_int_equal(ai_translate_route(&to, &from, G, 0), AI_OK);
    assert_int_equal(to.ep, AI_EP_GENERATE);
    assert_int_equal(to.sse, 0);
    assert_int_equal(ai_translate_route(&to, &from, G, 1), AI_OK);
    assert_int_equal(to.ep, AI_EP_STREAM_GENERATE);
    assert_int_equal(to.sse, 1);

    assert_int_equal(ai_translate_route(&to, &from, AI_DIALECT_OPENAI, 0),
                     AI_DECLINED);
    assert_int_equal(ai_translate_route(&to, &from, AI_DIALECT_AZURE, 0),
                     AI_DECLINED);

    from.ep = AI_EP_RESPONSES;
    assert_int_equal(ai_translate_route(&to, &from, A, 0), AI_DECLINED);
}


/* the paths that ai_route_build() makes of them */

static void
test_route_paths(void **state)
{
    ai_buf_t    b;
    ai_char     text[256];
    unsigned    i;
    ai_str_t    base = ai_string("/x"), model = ai_string("m"), v = { 0, 0 };
    ai_route_t  from, to;

    static const struct {
        ai_dialect_t  api;
        unsigned      stream;
        const char   *path;
    } table[] = {
        { A, 0, "/x/v1/messages" },
        { A, 1, "/x/v1/messages" },
        { G, 0, "/x/v1beta/models/m:generateContent" },
        { G, 1, "/x/v1beta/models/m:streamGenerateContent?alt=sse" }
    };

    (void) state;

    memset(&from, 0, sizeof(from));
    from.ep = AI_EP_CHAT;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(ai_translate_route(&to, &from, table[i].api,
                                            table[i].stream), AI_OK);
        ai_buf_init(&b, text, sizeof(text));
        assert_int_equal(ai_route_build(&b, &to, table[i].api, &base, &model,
                                        &v), AI_OK);
        *b.pos = '\0';
        assert_string_equal((char *) text, table[i].path);
    }
}


static void
test_cap(void **state)
{
    (void) state;

    declined(A, CHAT(""), "max_completion_tokens");
    becomes(G, CHAT(""), G_IS(""));

    becomes(A, CHAT(",'max_tokens':7"), A_HI ",'max_tokens':7}");
    becomes(A, CHAT(",'max_completion_tokens':8,'max_tokens':null"),
            A_HI ",'max_tokens':8}");
    becomes(G, CHAT(",'max_tokens':7"),
            G_IS(",'generationConfig':{'maxOutputTokens':7}"));
    declined(A, CHAT(",'max_tokens':0"), "max_tokens");
    declined(G, CHAT(",'max_completion_tokens':0"), "max_completion_tokens");

    want.max_output = 5;
    becomes(A, CHAT(",'max_tokens':7"), A_HI ",'max_tokens':5}");
    becomes(G, CHAT(""), G_IS(",'generationConfig':{'maxOutputTokens':5}"));
}


static void
test_stream(void **state)
{
    (void) state;

    want.stream = 1;
    becomes(A, CHAT(",'stream':true,'stream_options':{'include_usage':true}"),
            "{'model':'claude','stream':true,'messages':[{'role':'user',"
            "'content':[{'type':'text','text':'hi'}]}],'max_tokens':100}");

    want.max_output = -1;
    becomes(G, CHAT(",'stream':true"), G_IS(""));

    want.max_output = 100;
    want.stream = 0;
    target = "a\"\\b";
    becomes(A, CHAT(""),
            "{'model':'a\\'\\\\b','messages':[{'role':'user','content':"
            "[{'type':'text','text':'hi'}]}],'max_tokens':100}");
}


static void
test_turns(void **state)
{
    (void) state;

    becomes(A, TALK("{'role':'system','content':'be brief'},"
                    "{'role':'user','content':'a'},"
                    "{'role':'assistant','content':'b'},"
                    "{'role':'user','content':'c'}"),
            "{'model':'claude','system':[{'type':'text','text':'be brief'}],"
            "'messages':[{'role':'user','content':[{'type':'text','text':'a'}]},"
            "{'role':'assistant','content':[{'type':'text','text':'b'}]},"
            "{'role':'user','content':[{'type':'text','text':'c'}]}],"
            "'max_tokens':100}");

    want.max_output = -1;
    becomes(G, TALK("{'role':'system','content':'be brief'},"
                    "{'role':'user','content':'a'},"
                    "{'role':'assistant','content':'b'},"
                    "{'role':'user','content':'c'}"),
            "{'systemInstruction':{'parts':[{'text':'be brief'}]},"
            "'contents':[{'role':'user','parts':[{'text':'a'}]},"
            "{'role':'model','parts':[{'text':'b'}]},"
            "{'role':'user','parts':[{'text':'c'}]}]}");
}


/* the order of members and of roles is free; one side in a row is one turn */

static void
test_turns_odd(void **state)
{
    (void) state;

    becomes(A, TALK("{'content':'a','role':'user'},"
                    "{'role':'developer','content':[{'type':'text','text':'x'},"
                    "{'type':'text','text':'y','cache_control':{'a':1}}]},"
                    "{'role':'user','content':'b'},"
                    "{'role':'system','content':'z'}"),
            "{'model':'claude','system':[{'type':'text','text':'x'},"
            "{'type':'text','text':'y'},{'type':'text','text':'z'}],"
            "'messages':[{'role':'user','content':[{'type':'text','text':'a'},"
            "{'type':'text','text':'b'}]}],'max_tokens':100}");

    becomes(A, TALK("{'role':'assistant','content':'hello'},"
                    "{'role':'user','content':'a'}"),
            A_TALK("{'role':'assistant','content':[{'type':'text','text':"
                   "'hello'}]},{'role':'user','content':[{'type':'text','text':"
                   "'a'}]}"));

    want.max_output = -1;
    becomes(G, "{'messages':[{'role':'us\\u0065r','content':'hi','name':null,"
               "'x':null}],'x':null,'model':'m'}",
            G_IS(""));
}


static void
test_turns_empty(void **state)
{
    (void) state;

    becomes(A, TALK("{'role':'system','content':''},"
                    "{'role':'user','content':'a'},"
                    "{'role':'assistant','content':''},"
                    "{'role':'assistant','content':null},"
                    "{'role':'user','content':[{'type':'text','text':' \\n'},"
                    "{'type':'text','text':'b'}]},"
                    "{'role':'assistant','content':[]}"),
            A_SAYS("{'type':'text','text':'a'},{'type':'text','text':'b'}"));

    declined(A, TALK(""), "messages");
    declined(A, TALK("{'role':'user','content':''}"), "messages");
    declined(G, TALK("{'role':'user'}"), "messages");
    declined(A, TALK("{'role':'system','content':'a'}"), "messages");
    declined(A, "{'model':'m'}", "messages");

    /* it would be continued, not answered */

    declined(A, TALK("{'role':'user','content':'a'},"
                     "{'role':'assistant','content':'b'}"), "messages");
    declined(G, TALK("{'role':'user','content':'a'},"
                     "{'role':'assistant','content':'b'}"), "messages");

    want.max_output = -1;
    becomes(G, SAYS("' '"), G_SAYS("{'text':' '}"));
}


static void
test_messages_odd(void **state)
{
    unsigned  i;

    static const char *const  bad[] = {
        TALK("{'content':'a'}"),
        TALK("{'role':'root','content':'a'}"),
        TALK("{'role':'function','name':'f','content':'a'}"),
        TALK("{'role':'user','content':'a','role':'user'}"),
        TALK("{'role':'user','content':'a','r\\u006fle':'system'}"),
        TALK("{'role':'user','content':1}"),
        TALK("{'role':'user','content':{'type':'text','text':'a'}}"),
        TALK("{'role':'user','content':['a']}"),
        TALK("{'role':'user','content':[null]}"),
        TALK("{'role':'user','content':[{'text':'a'}]}"),
        TALK("{'role':'user','content':[{'type':'text'}]}"),
        TALK("{'role':'user','content':[{'type':'text','text':null}]}"),
        TALK("{'role':'user','content':[{'type':'video_url','video_url':"
             "{'url':'https://x'}}]}"),
        TALK("{'role':'user','content':[{'type':'refusal','refusal':'a'}]}"),
        TALK("{'role':'user','content':[{'type':'text','text':'a','image_url':"
             "{'url':'https://x'}}]}"),
        TALK("{'role':'system','content':[{'type':'image_url','image_url':"
             "{'url':'data:image/png;base64,AA=='}}]},{'role':'user',"
             "'content':'a'}"),
        TALK("{'role':'user','content':'a','weight':1}"),
        TALK("{'role':'user','content':'a','tool_calls':[]}"),
        TALK("{'role':'user','content':'a','refusal':'b'}"),
        TALK("{'role':'user','content':'a'},{'role':'assistant','content':"
             "null,'function_call':{'name':'f','arguments':'{}'}},"
             "{'role':'user','content':'a'}"),
        TALK("{'role':'user','content':'a','name':'ann'},"
             "{'role':'user','content':'b','name':'bob'}")
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        declined(A, bad[i], "messages");
        declined(G, bad[i], "messages");
    }

    /* one name is nobody's to be told from */

    becomes(A, TALK("{'role':'system','content':'s','name':'sue'},"
                    "{'role':'user','content':'a','name':'ann'},"
                    "{'role':'user','content':'b','name':'ann'},"
                    "{'role':'assistant','content':'c','name':'cat'},"
                    "{'role':'user','content':'d'}"),
            "{'model':'claude','system':[{'type':'text','text':'s'}],"
            "'messages':[{'role':'user','content':[{'type':'text','text':'a'},"
            "{'type':'text','text':'b'}]},{'role':'assistant','content':"
            "[{'type':'text','text':'c'}]},{'role':'user','content':"
            "[{'type':'text','text':'d'}]}],'max_tokens':100}");
}


/* an answer as it came back is taken, the reasoning of another model is not */

static void
test_history(void **state)
{
    const char  *body;

    (void) state;

    body = TALK("{'role':'user','content':'a'},"
                "{'role':'assistant','content':null,'refusal':'no','audio':null,"
                "'annotations':[],'function_call':null,'tool_calls':null,"
                "'reasoning_content':'hm','id':'msg'},"
                "{'role':'assistant','content':[{'type':'refusal','refusal':"
                "'never'},{'type':'text','text':'\\\"x\\u00e9\\n\\\"'}]},"
                "{'role':'user','content':'c'}");

    becomes(A, body,
            A_TALK("{'role':'user','content':[{'type':'text','text':'a'}]},"
                   "{'role':'assistant','content':[{'type':'text','text':'no'},"
                   "{'type':'text','text':'never'},{'type':'text','text':"
                   "'\\\"x\\u00e9\\n\\\"'}]},"
                   "{'role':'user','content':[{'type':'text','text':'c'}]}"));

    want.max_output = -1;
    becomes(G, body,
            G_TALK("{'role':'user','parts':[{'text':'a'}]},"
                   "{'role':'model','parts':[{'text':'no'},{'text':'never'},"
                   "{'text':'\\\"x\\u00e9\\n\\\"'}]},"
                   "{'role':'user','parts':[{'text':'c'}]}"));
}


#define CALL(id, name, args)                                                  \
    "{'id':'" id "','type':'function','function':{'name':'" name              \
    "','arguments':'" args "'}}"
#define CALLS(c)     "{'role':'assistant','content':null,'tool_calls':[" c "]}"
#define RESULT(id, c)  "{'role':'tool','tool_call_id':'" id "','content':" c "}"
#define ASK          "{'role':'user','content':'a'},"

#define A_ASK        "{'role':'user','content':[{'type':'text','text':'a'}]},"
#define G_ASK        "{'role':'user','parts':[{'text':'a'}]},"


static void
test_calls(void **state)
{
    const char  *body;

    (void) state;

    body = TALK(ASK CALLS(CALL("c1", "f", "{\\\"x\\\": [1,\\\"\\u00e9\\\\n\\\"]}")
                          "," CALL("c2", "g", ""))
                "," RESULT("c2", "'two'") "," RESULT("c1", "'{\\\"a\\\":1}'")
                ",{'role':'user','content':'b'}");

    becomes(A, body,
            A_TALK(A_ASK
                   "{'role':'assistant','content':[{'type':'tool_use','id':"
                   "'c1','name':'f','input':{'x': [1,'\xc3\xa9\\n']}},"
                   "{'type':'tool_use','id':'c2','name':'g','input':{}}]},"
                   "{'role':'user','content':[{'type':'tool_result',"
                   "'tool_use_id':'c2','content':'two'},{'type':'tool_result',"
                   "'tool_use_id':'c1','content':'{\\\"a\\\":1}'},"
                   "{'type':'text','text':'b'}]}"));

    want.max_output = -1;
    becomes(G, body,
            G_TALK(G_ASK
                   "{'role':'model','parts':[{'functionCall':{'id':'c1','name':"
                   "'f','args':{'x': [1,'\xc3\xa9\\n']}},'thoughtSignature':"
                   "'skip_thought_signature_validator'},{'functionCall':{'id':"
                   "'c2','name':'g','args':{}}}]},"
                   "{'role':'user','parts':[{'functionResponse':{'id':'c2',"
                   "'name':'g','response':{'output':'two'}}},"
                   "{'functionResponse':{'id':'c1','name':'f','response':"
                   "{'output':'{\\\"a\\\":1}'}}}]},"
                   "{'role':'user','parts':[{'text':'b'}]}"));
}


/* text before calls; ids come again in later turns; results in parts */

static void
test_calls_twice(void **state)
{
    const char  *body;

    (void) state;

    body = TALK(ASK "{'role':'assistant','content':'let me see','tool_calls':["
                CALL("c", "f", "{}") "]}," RESULT("c", "[{'type':'text','text':"
                "'x'},{'type':'text','text':''}]") ","
                CALLS(CALL("c", "g", " {} ")) ",{'role':'system','content':'s'},"
                RESULT("c", "''"));

    becomes(A, body,
            "{'model':'claude','system':[{'type':'text','text':'s'}],'messages':["
            A_ASK "{'role':'assistant','content':[{'type':'text','text':"
            "'let me see'},{'type':'tool_use','id':'c','name':'f','input':{}}]},"
            "{'role':'user','content':[{'type':'tool_result','tool_use_id':'c',"
            "'content':[{'type':'text','text':'x'}]}]},"
            "{'role':'assistant','content':[{'type':'tool_use','id':'c','name':"
            "'g','input': {} }]},{'role':'user','content':[{'type':"
            "'tool_result','tool_use_id':'c'}]}],'max_tokens':100}");

    want.max_output = -1;
    target = "models/gemini-2.5-flash";
    becomes(G, body,
            "{'systemInstruction':{'parts':[{'text':'s'}]},'contents':["
            G_ASK "{'role':'model','parts':[{'text':'let me see'},"
            "{'functionCall':{'id':'c','name':'f','args':{}}}]},"
            "{'role':'user','parts':[{'functionResponse':{'id':'c','name':'f',"
            "'response':{'output':['x','']}}}]},"
            "{'role':'model','parts':[{'functionCall':{'id':'c','name':'g',"
            "'args': {} }}]},{'role':'user','parts':[{'functionResponse':{'id':"
            "'c','name':'g','response':{'output':''}}}]}]}");
}


/* signatures that Gemini gave come back to it; odd ids suit Anthropic */

static void
test_calls_ids(void **state)
{
    const char  *body;

    (void) state;

    body = TALK(ASK "{'role':'assistant','tool_calls':[{'index':0,'id':"
                "'f:0','function':{'name':'f','arguments':'{}'},"
                "'extra_content':{'google':{'thought_signature':'c2ln'}}},"
                CALL("\\u0066:1", "g", "{}") "]}," RESULT("f:1", "'b'") ","
                RESULT("f:0", "'a'"));

    becomes(A, body,
            A_TALK(A_ASK "{'role':'assistant','content':[{'type':'tool_use',"
                   "'id':'gateway_call_0','name':'f','input':{}},"
                   "{'type':'tool_use','id':'gateway_call_1','name':'g',"
                   "'input':{}}]},{'role':'user','content':[{'type':"
                   "'tool_result','tool_use_id':'gateway_call_1','content':"
                   "'b'},{'type':'tool_result','tool_use_id':"
                   "'gateway_call_0','content':'a'}]}"));

    want.max_output = -1;
    becomes(G, body,
            G_TALK(G_ASK "{'role':'model','parts':[{'functionCall':{'id':'f:0',"
                   "'name':'f','args':{}},'thoughtSignature':'c2ln'},"
                   "{'functionCall':{'id':'f:1','name':'g','args':{}}}]},"
                   "{'role':'user','parts':[{'functionResponse':{'id':'f:1',"
                   "'name':'g','response':{'output':'b'}}},"
                   "{'functionResponse':{'id':'f:0','name':'f','response':"
                   "{'output':'a'}}}]}"));
}


/* the first call of each turn is signed, others need not be */

static void
test_calls_signed(void **state)
{
    unsigned   n;
    char      *p;

    (void) state;

    assert_int_equal(translate(G, TALK(ASK CALLS(CALL("a", "f", "{}") ","
                                                 CALL("b", "f", "{}")) ","
                                       RESULT("a", "'x'") ","
                                       RESULT("b", "'x'") ","
                                       CALLS(CALL("c", "f", "{}")) ","
                                       RESULT("c", "'x'"))), AI_OK);

    written[nwritten] = '\0';
    p = (char *) written;

    for (n = 0; (p = strstr(p, "\"thoughtSignature\"")); n++) {
        p++;
    }

    assert_int_equal(n, 2);
}


static void
test_calls_bad(void **state)
{
    unsigned  i;

    static const char *const  bad[] = {
        TALK(ASK RESULT("c", "'x'")),
        TALK(ASK CALLS(CALL("c", "f", "{}")) "," RESULT("d", "'x'")),
        TALK(ASK CALLS(CALL("c", "f", "{}")) "," RESULT("c", "'x'") ","
             RESULT("c", "'x'")),
        TALK(ASK CALLS(CALL("c", "f", "{}")) "," ASK RESULT("c", "'x'")),
        TALK(ASK CALLS(CALL("c", "f", "{}")) ",{'role':'tool','content':'x'}"),
        TALK(ASK CALLS(CALL("c", "f", "[]")) "," RESULT("c", "'x'")),
        TALK(ASK CALLS(CALL("c", "f", "1")) "," RESULT("c", "'x'")),
        TALK(ASK CALLS(CALL("c", "f", "\\\"\\\"")) "," RESULT("c", "'x'")),
        TALK(ASK CALLS(CALL("c", "f", "null")) "," RESULT("c", "'x'")),
        TALK(ASK CALLS(CALL("c", "f", "{")) "," RESULT("c", "'x'")),
        TALK(ASK CALLS(CALL("c", "f", "{}{}")) "," RESULT("c", "'x'")),
        TALK(ASK CALLS(CALL("c", "f", "{} x")) "," RESULT("c", "'x'")),
        TALK(ASK CALLS(CALL("c", "f", "{\\\"a\\\":NaN}")) ","
             RESULT("c", "'x'")),
        TALK(ASK CALLS(CALL("c", "f", "{\\\"a\\\":\\\"\\n\\\"}")) ","
             RESULT("c", "'x'")),
        TALK(ASK CALLS(CALL("c", "f", "{\\u0000}")) "," RESULT("c", "'x'")),
        TALK(ASK CALLS(CALL("c", "f", "{\\ud800}")) "," RESULT("c", "'x'")),
        TALK(ASK CALLS(CALL("c", "f", "{}\\ud800")) "," RESULT("c", "'x'")),
        TALK(ASK CALLS(CALL("c", "", "{}")) "," RESULT("c", "'x'")),
        TALK(ASK CALLS(CALL("", "f", "{}")) "," RESULT("", "'x'")),
        TALK(ASK CALLS("{'id':'c','type':'function'}") "," RESULT("c", "'x'")),
        TALK(ASK CALLS("{'id':'c','type':'custom','custom':{'name':'f',"
                       "'input':'x'}}") "," RESULT("c", "'x'")),
        TALK(ASK CALLS("null") "," RESULT("c", "'x'")),
        TALK(ASK CALLS("{'type':'function','function':{'name':'f',"
                       "'arguments':'{}'}}") "," RESULT("c", "'x'")),
        TALK(ASK CALLS(CALL("c", "f", "{}")) "," RESULT("c", "[{'type':"
             "'image_url','image_url':{'url':'data:image/png;base64,AA=='}}]")),
        TALK(ASK CALLS(CALL("c", "f", "{}")))
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        declined(A, bad[i], "messages");
        declined(G, bad[i], "messages");
    }
}


/* pieces of arguments end anywhere: within escapes, characters and words */

static void
test_arguments_long(void **state)
{
    char     *body, *args, *p;
    size_t    i, n;
    unsigned  pad;

    (void) state;

    args = malloc(65536);
    body = malloc(65536);

    for (pad = 0; pad < 8; pad++) {
        p = args + sprintf(args, "{\\\"%.*s\\\":[", (int) pad, "12345678");

        for (i = 0; i < 200; i++) {
            p += sprintf(p, "%s\\\"\\ud83d\\ude00\xc3\xa9\\\\u00e9\\\",true,-1.5e3",
                         i ? "," : "");
        }

        sprintf(p, "]}");
        sprintf(body, TALK(ASK CALLS(CALL("c", "f", "%s")) ","
                           RESULT("c", "'x'")), args);

        assert_int_equal(translate(A, body), AI_OK);

        written[nwritten] = '\0';
        p = strstr((char *) written, "\"input\":") + 8;
        n = (size_t) sprintf(args, "{\"%.*s\":[", (int) pad, "12345678");
        assert_memory_equal(p, args, n);
        p += n;

        for (i = 0; i < 200; i++) {
            n = (size_t) sprintf(args, "%s\"\xf0\x9f\x98\x80\xc3\xa9\\u00e9\","
                                       "true,-1.5e3", i ? "," : "");
            assert_memory_equal(p, args, n);
            p += n;
        }

        assert_memory_equal(p, "]}}]},", 6);
    }

    free(args);
    free(body);
}


/* tables are bounded, and what is nested deep stays out of them */

static void
test_bounds(void **state)
{
    char      *body, *p;
    unsigned   i, n;

    (void) state;

    body = malloc(1024 * 1024);

    for (n = AI_TR_CALLS; n <= AI_TR_CALLS + 1; n++) {
        p = body + sprintf(body, "{'model':'m','messages':[" ASK
                           "{'role':'assistant','tool_calls':[");

        for (i = 0; i < n; i++) {
            p += sprintf(p, "%s{'id':'c%u','function':{'name':'f%u'}}",
                         i ? "," : "", i, i);
        }

        p += sprintf(p, "]}");

        for (i = n; i-- > 0; /* void */ ) {
            p += sprintf(p, "," RESULT("c%u", "'x'"), i);
        }

        sprintf(p, "]}");

        if (n == AI_TR_CALLS) {
            assert_int_equal(translate(G, body), AI_OK);
            assert_int_equal(translate(A, body), AI_OK);

        } else {
            declined(G, body, "messages");
        }
    }

    /* turns without end are no matter: each has its own */

    p = body + sprintf(body, "{'model':'m','messages':[" ASK);

    for (i = 0; i < 500; i++) {
        p += sprintf(p, "%s" CALLS(CALL("c%u", "f", "{}")) ","
                     RESULT("c%u", "'x'"), i ? "," : "", i, i);
    }

    sprintf(p, "]}");
    assert_int_equal(translate(A, body), AI_OK);

    /* ids and names */

    sprintf(body, TALK(ASK CALLS(CALL("%0128d", "%0128d", "{}")) ","
                       RESULT("%0128d", "'x'")), 1, 1, 1);
    assert_int_equal(translate(A, body), AI_OK);
    sprintf(body, TALK(ASK CALLS(CALL("%0129d", "f", "{}")) ","
                       RESULT("%0129d", "'x'")), 1, 1);
    declined(A, body, "messages");
    sprintf(body, TALK(ASK CALLS(CALL("c", "%0129d", "{}")) ","
                       RESULT("c", "'x'")), 1);
    declined(A, body, "messages");

    free(body);
}


static void
test_depth(void **state)
{
    char      *body, *p;
    unsigned   i, n, kind;

    static const char *const  heads[] = {
        "{'model':'m'," HI ",'tools':[{'type':'function','function':{'name':'f',"
        "'parameters':{'a':",
        "{'model':'m'," HI ",'response_format':{'type':'json_schema',"
        "'json_schema':{'schema':{'a':",
        "{'model':'m','messages':[" ASK "{'role':'assistant','tool_calls':[{"
        "'id':'c','function':{'name':'f','arguments':'{\\\"a\\\":"
    };

    static const char *const  tails[] = {
        "}}}]}", "}}}}", "}'}}]}," RESULT("c", "'x'") "]}"
    };

    static const char *const  params[] = {
        "tools", "response_format", "messages"
    };

    (void) state;

    body = malloc(4096);

    for (kind = 0; kind < 3; kind++) {
        for (n = AI_TR_DEPTH - 1; n <= AI_TR_DEPTH; n++) {
            p = body + sprintf(body, "%s", heads[kind]);

            for (i = 0; i < n; i++) {
                *p++ = '[';
            }

            for (i = 0; i < n; i++) {
                *p++ = ']';
            }

            sprintf(p, "%s", tails[kind]);

            if (n == AI_TR_DEPTH) {
                declined(A, body, params[kind]);
                declined(G, body, params[kind]);

            } else {
                assert_int_equal(translate(A, body), AI_OK);
                assert_int_equal(translate(G, body), AI_OK);
            }
        }
    }

    free(body);
}


#define IMAGE(u)  SAYS("[{'type':'image_url','image_url':{'url':'" u          \
                       "','detail':'low'}}]")
#define SOUND(d, f)                                                           \
    SAYS("[{'type':'input_audio','input_audio':{'data':'" d "','format':'" f  \
         "'}}]")
#define FILED(m)  SAYS("[{'type':'file','file':{" m "}}]")


static void
test_images(void **state)
{
    unsigned  i;

    static const char *const  bad[] = {
        IMAGE("data:image/png,AAAA"),
        IMAGE("data:;base64,AAAA"),
        IMAGE("data:image/png;base64,"),
        IMAGE("data:image/p ng;base64,AA"),
        IMAGE("data:text/plain;base64,AA"),
        IMAGE("data:image/png;base64"),
        IMAGE("AAAA"),
        IMAGE("ftp://x/a.png"),
        IMAGE(""),
        SAYS("[{'type':'image_url','image_url':{}}]"),
        SAYS("[{'type':'image_url','image_url':{'url':1}}]"),
        SAYS("[{'type':'image_url','image_url':{'url':'https://x','y':1}}]"),
        SAYS("[{'type':'image_url'}]")
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (strstr(bad[i], "'url':1")) {
            continue;               /* the scan has refused it */
        }

        declined(A, bad[i], "messages");
        declined(G, bad[i], "messages");
    }

    becomes(A, SAYS("[{'type':'text','text':'see'},{'type':'image_url',"
                    "'image_url':{'url':'data:image\\/png;base64,\\/9j+=='}}]"),
            A_SAYS("{'type':'text','text':'see'},{'type':'image','source':{"
                   "'type':'base64','media_type':'image/png','data':"
                   "'\\/9j+=='}}"));
    becomes(A, IMAGE("DATA:Image/JPG;charset=x;Base64,AA"),
            A_SAYS("{'type':'image','source':{'type':'base64','media_type':"
                   "'image/jpeg','data':'AA'}}"));
    becomes(A, IMAGE("https:\\/\\/x/a.bin"),
            A_SAYS("{'type':'image','source':{'type':'url','url':"
                   "'https:\\/\\/x/a.bin'}}"));
    declined(A, IMAGE("http://x/a.png"), "messages");
    declined(A, IMAGE("data:image/heic;base64,AA"), "messages");

    want.max_output = -1;
    becomes(G, IMAGE("data:image/heic;base64,AA"),
            G_SAYS("{'inlineData':{'mimeType':'image/heic','data':'AA'}}"));
    becomes(G, SAYS("[{'type':'image_url','image_url':'http://x/a.JPG?b=1'}]"),
            G_SAYS("{'fileData':{'mimeType':'image/jpeg','fileUri':"
                   "'http://x/a.JPG?b=1'}}"));
    becomes(G, IMAGE("https://x/a?b=.png"),
            G_SAYS("{'fileData':{'fileUri':'https://x/a?b=.png'}}"));
    declined(G, IMAGE("https://GenerativeLanguage.googleapis.com/v1beta/files/a"),
             "messages");
}


static void
test_url_length(void **state)
{
    char  body[4096], url[AI_TR_URL + 2];

    (void) state;

    memset(url, 'a', sizeof(url));
    memcpy(url, "https://", 8);

    url[AI_TR_URL] = '\0';
    sprintf(body, IMAGE("%s"), url);
    assert_int_equal(translate(G, body), AI_OK);
    assert_int_equal(translate(A, body), AI_OK);

    url[AI_TR_URL] = 'a';
    url[AI_TR_URL + 1] = '\0';
    sprintf(body, IMAGE("%s"), url);
    declined(G, body, "messages");
    declined(A, body, "messages");
}


static void
test_sounds_and_files(void **state)
{
    (void) state;

    declined(A, SOUND("AA", "wav"), "messages");
    declined(A, FILED("'file_data':'data:text/plain;base64,AA'"), "messages");
    declined(A, FILED("'file_data':'AA'"), "messages");
    declined(A, FILED("'filename':'a.pdf'"), "messages");
    declined(A, FILED("'file_data':'data:application/pdf;base64,AA','x':1"),
             "messages");

    becomes(A, FILED("'filename':'a.pdf','file_data':"
                     "'data:application/pdf;base64,AA'"),
            A_SAYS("{'type':'document','title':'a.pdf','source':{'type':"
                   "'base64','media_type':'application/pdf','data':'AA'}}"));
    becomes(A, FILED("'file_data':'data:application/pdf;base64,AA'"),
            A_SAYS("{'type':'document','source':{'type':'base64','media_type':"
                   "'application/pdf','data':'AA'}}"));

    want.max_output = -1;
    becomes(G, SOUND("AA", "mp3"),
            G_SAYS("{'inlineData':{'mimeType':'audio/mp3','data':'AA'}}"));
    becomes(G, FILED("'filename':'a.csv','file_data':'data:text/csv;base64,AA'"),
            G_SAYS("{'inlineData':{'mimeType':'text/csv','data':'AA'}}"));
    declined(G, SOUND("AA", "pcm16"), "messages");
    declined(G, SOUND("", "wav"), "messages");
    declined(G, SOUND("data:audio/wav;base64,AA", "wav"), "messages");
    declined(G, SOUND("https://x/a.wav", "wav"), "messages");
}


#define TOOL(m)    "{'type':'function','function':{" m "}}"
#define TOOLED(m)  CHAT(",'tools':[" TOOL("'name':'f'") "," TOOL("'name':'g'") \
                        "]" m)
#define A_NONE     ",'input_schema':{'type':'object','properties':{}}}"
#define A_TOOLS    "{'name':'f'" A_NONE ",{'name':'g'" A_NONE
#define G_TOOLS    ",'tools':[{'functionDeclarations':[{'name':'f'},"          \
                   "{'name':'g'}]}]"
#define G_MODE(m)  ",'toolConfig':{'functionCallingConfig':{'mode':" m "}}"


/* options follow the tools, max_tokens among them */

#define A_TOOLED(t, m)  A_HI ",'tools':[" t "]" m ",'max_tokens':100}"


static void
test_tools(void **state)
{
    const char  *body;

    (void) state;

    body = CHAT(",'tools':[" TOOL("'name':'f','description':'d \\u0022',"
                "'parameters':{ 'type' : 'object','$defs':{'x':[1,{}]} },"
                "'strict':true") "," TOOL("'name':'g','parameters':{},"
                "'description':'','strict':false") "]");

    becomes(A, body,
            A_TOOLED("{'name':'f','description':'d \\u0022','input_schema':"
                     "{ 'type' : 'object','$defs':{'x':[1,{}]} },'strict':true}"
                     ",{'name':'g'" A_NONE, ""));

    becomes(A, CHAT(",'tools':[],'parallel_tool_calls':true"), A_IS(""));

    want.max_output = -1;
    becomes(G, body,
            G_IS(",'tools':[{'functionDeclarations':[{'name':'f','description':"
                 "'d \\u0022','parametersJsonSchema':{ 'type' : 'object',"
                 "'$defs':{'x':[1,{}]} }},{'name':'g'}]}]"
                 G_MODE("'VALIDATED'")));
}


static void
test_tools_bad(void **state)
{
    char      *body, *p;
    unsigned   i;

    static const char *const  bad[] = {
        CHAT(",'tools':[{'type':'function'}]"),
        CHAT(",'tools':[{'function':{'name':'f'}}]"),
        CHAT(",'tools':[{'type':'custom','custom':{'name':'f'}}]"),
        CHAT(",'tools':[{'type':'web_search'}]"),
        CHAT(",'tools':[" TOOL("'description':'f'") "]"),
        CHAT(",'tools':[" TOOL("'name':1") "]"),
        CHAT(",'tools':[" TOOL("'name':'f','parameters':[]") "]"),
        CHAT(",'tools':[" TOOL("'name':'f','defer_loading':true") "]"),
        CHAT(",'tools':[" TOOL("'name':'f','name':'g'") "]")
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        declined(A, bad[i], "tools");
        declined(G, bad[i], "tools");
    }

    body = malloc(65536);
    p = body + sprintf(body, "{'model':'m'," HI ",'tools':[");

    for (i = 0; i <= AI_TR_TOOLS; i++) {
        p += sprintf(p, "%s" TOOL("'name':'f%u'"), i ? "," : "", i);
    }

    sprintf(p, "]}");
    declined(A, body, "tools");
    declined(G, body, "tools");
    free(body);
}


static void
test_choice(void **state)
{
    unsigned  i;

    static const struct {
        const char  *given;
        const char  *anthropic;
        const char  *gemini;
    } table[] = {
        { TOOLED(",'tool_choice':'auto'"), A_TOOLED(A_TOOLS, ""),
          G_IS(G_TOOLS) },

        { TOOLED(",'tool_choice':'none'"),
          A_TOOLED(A_TOOLS, ",'tool_choice':{'type':'none'}"),
          G_IS(G_TOOLS G_MODE("'NONE'")) },

        { TOOLED(",'tool_choice':'required'"),
          A_TOOLED(A_TOOLS, ",'tool_choice':{'type':'any'}"),
          G_IS(G_TOOLS G_MODE("'ANY'")) },

        { TOOLED(",'tool_choice':{'type':'function','function':{'name':'g'}}"),
          A_TOOLED(A_TOOLS, ",'tool_choice':{'type':'tool','name':'g'}"),
          G_IS(G_TOOLS G_MODE("'ANY','allowedFunctionNames':['g']")) },

        { TOOLED(",'tool_choice':{'type':'allowed_tools','allowed_tools':"
                 "{'mode':'auto','tools':[{'type':'function','function':{"
                 "'name':'\\u0067','description':'d'}}]}}"),
          A_TOOLED("{'name':'g'" A_NONE, ""),
          G_IS(G_TOOLS G_MODE("'VALIDATED','allowedFunctionNames':['g']")) },

        { TOOLED(",'tool_choice':{'type':'allowed_tools','allowed_tools':"
                 "{'mode':'required','tools':[{'type':'function','function':{"
                 "'name':'f'}},{'type':'function','function':{'name':'g'}}]}}"),
          A_TOOLED(A_TOOLS, ",'tool_choice':{'type':'any'}"),
          G_IS(G_TOOLS G_MODE("'ANY','allowedFunctionNames':['f','g']")) }
    };

    (void) state;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        want.max_output = 100;
        becomes(A, table[i].given, table[i].anthropic);
        want.max_output = -1;
        becomes(G, table[i].given, table[i].gemini);
    }

    becomes(G, CHAT(",'tool_choice':'none'"), G_IS(""));
    becomes(G, CHAT(",'tool_choice':'auto'"), G_IS(""));
}


static void
test_choice_bad(void **state)
{
    unsigned  i;

    static const char *const  bad[] = {
        CHAT(",'tool_choice':'required'"),
        CHAT(",'tool_choice':{'type':'function','function':{'name':'f'}}"),
        TOOLED(",'tool_choice':'any'"),
        TOOLED(",'tool_choice':1"),
        TOOLED(",'tool_choice':{}"),
        TOOLED(",'tool_choice':{'type':'function'}"),
        TOOLED(",'tool_choice':{'type':'function','function':{}}"),
        TOOLED(",'tool_choice':{'type':'custom','custom':{'name':'f'}}"),
        TOOLED(",'tool_choice':{'type':'allowed_tools'}"),
        TOOLED(",'tool_choice':{'type':'allowed_tools','allowed_tools':"
               "{'mode':'auto','tools':[]}}"),
        TOOLED(",'tool_choice':{'type':'allowed_tools','allowed_tools':"
               "{'mode':'all','tools':[{'type':'function','function':"
               "{'name':'f'}}]}}"),
        TOOLED(",'tool_choice':{'type':'allowed_tools','allowed_tools':"
               "{'mode':'auto','tools':[{'type':'mcp','server_label':'x'}]}}")
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        declined(A, bad[i], "tool_choice");
        declined(G, bad[i], "tool_choice");
    }

    /* nothing is left to choose from */

    declined(A, TOOLED(",'tool_choice':{'type':'allowed_tools','allowed_tools':"
                       "{'mode':'auto','tools':[{'type':'function','function':"
                       "{'name':'h'}}]}}"), "tool_choice");
}


static void
test_parallel(void **state)
{
    (void) state;

    becomes(A, TOOLED(",'parallel_tool_calls':false"),
            A_TOOLED(A_TOOLS, ",'tool_choice':{'type':'auto',"
                              "'disable_parallel_tool_use':true}"));
    becomes(A, TOOLED(",'parallel_tool_calls':false,'tool_choice':'required'"),
            A_TOOLED(A_TOOLS, ",'tool_choice':{'type':'any',"
                              "'disable_parallel_tool_use':true}"));
    becomes(A, TOOLED(",'parallel_tool_calls':false,'tool_choice':'none'"),
            A_TOOLED(A_TOOLS, ",'tool_choice':{'type':'none'}"));
    declined(G, TOOLED(",'parallel_tool_calls':false"), "parallel_tool_calls");

    want.max_output = -1;
    becomes(G, TOOLED(",'parallel_tool_calls':true"), G_IS(G_TOOLS));
}


/* what each member becomes; NULL: it is declined by its name */

static void
test_options(void **state)
{
    unsigned  i;
    char      body[1024], text[1024];

    static const struct {
        const char  *name;
        const char  *value;
        const char  *anthropic;
        const char  *gemini;        /* in generationConfig */
    } table[] = {
        { "temperature", "0.70", ",'temperature':0.70", "'temperature':0.70" },
        { "temperature", "0", ",'temperature':0", "'temperature':0" },
        { "temperature", "1.0", "", "'temperature':1.0" },
        { "temperature", "1.5", NULL, "'temperature':1.5" },
        { "temperature", "2.1", NULL, NULL },
        { "temperature", "-0.1", NULL, NULL },
        { "temperature", "1e999", NULL, NULL },
        { "temperature", "'1'", NULL, NULL },
        { "temperature", "null", "", "" },

        { "top_p", "0.5", ",'top_p':0.5", "'topP':0.5" },
        { "top_p", "1", "", "'topP':1" },
        { "top_p", "1.1", NULL, NULL },

        { "top_k", "40", ",'top_k':40", "'topK':40" },
        { "top_k", "-1", NULL, NULL },

        { "n", "1", "", "" },
        { "n", "3", NULL, "'candidateCount':3" },

        { "seed", "7", "", "'seed':7" },
        { "seed", "-7", "", "'seed':-7" },
        { "seed", "2147483648", "", "" },
        { "seed", "1.5", "", "" },

        { "presence_penalty", "0", "", "" },
        { "presence_penalty", "-0.0", "", "" },
        { "presence_penalty", "0.5", NULL, "'presencePenalty':0.5" },
        { "frequency_penalty", "-2", NULL, "'frequencyPenalty':-2" },
        { "frequency_penalty", "2.5", NULL, NULL },

        { "stop", "'x'", ",'stop_sequences':['x']", "'stopSequences':['x']" },
        { "stop", "['x','\\n\\u0022']", ",'stop_sequences':['x','\\n\\u0022']",
          "'stopSequences':['x','\\n\\u0022']" },
        { "stop", "'\\n'", NULL, "'stopSequences':['\\n']" },
        { "stop", "[]", "", "" },
        { "stop", "''", "", "" },
        { "stop", "['']", NULL, NULL },
        { "stop", "[1]", NULL, NULL },
        { "stop", "7", NULL, NULL },

        { "response_format", "{'type':'text'}", "", "" },
        { "response_format", "{'type':'json_object'}", NULL,
          "'responseMimeType':'application/json'" },
        { "response_format", "{'type':'json_schema','json_schema':{'name':'n',"
          "'strict':true,'schema':{'a': [1]}}}",
          ",'output_config':{'format':{'type':'json_schema','schema':"
          "{'a': [1]}}}",
          "'responseMimeType':'application/json','responseJsonSchema':"
          "{'a': [1]}" },
        { "response_format", "{'type':'json_schema','json_schema':{'name':"
          "'n'}}", NULL, NULL },
        { "response_format", "{'type':'json_schema'}", NULL, NULL },
        { "response_format", "{'type':'grammar'}", NULL, NULL },
        { "response_format", "{}", NULL, NULL },

        { "reasoning_effort", "'none'", ",'thinking':{'type':'disabled'}",
          "'thinkingConfig':{'thinkingLevel':'MINIMAL'}" },
        { "reasoning_effort", "'minimal'", ",'output_config':{'effort':'low'}",
          "'thinkingConfig':{'thinkingLevel':'MINIMAL'}" },
        { "reasoning_effort", "'low'", ",'output_config':{'effort':'low'}",
          "'thinkingConfig':{'thinkingLevel':'LOW'}" },
        { "reasoning_effort", "'medium'",
          ",'output_config':{'effort':'medium'}",
          "'thinkingConfig':{'thinkingLevel':'MEDIUM'}" },
        { "reasoning_effort", "'high'", ",'output_config':{'effort':'high'}",
          "'thinkingConfig':{'thinkingLevel':'HIGH'}" },
        { "reasoning_effort", "'xhigh'", ",'output_config':{'effort':'xhigh'}",
          "'thinkingConfig':{'thinkingLevel':'XHIGH'}" },
        { "reasoning_effort", "'max'", ",'output_config':{'effort':'max'}",
          "'thinkingConfig':{'thinkingLevel':'XHIGH'}" },
        { "reasoning_effort", "'most'", NULL, NULL },

        { "user", "'u-1'", ",'metadata':{'user_id':'u-1'}", "" },
        { "user", "'a@example.org'", "", "" },
        { "user", "'4930123456'", "", "" },
        { "safety_identifier", "'s:9.f'", ",'metadata':{'user_id':'s:9.f'}",
          "" },

        { "service_tier", "'auto'", "", "" },
        { "service_tier", "'default'", ",'service_tier':'standard_only'",
          "};'serviceTier':'standard'" },
        { "service_tier", "'flex'", NULL, "};'serviceTier':'flex'" },
        { "service_tier", "'priority'", NULL, "};'serviceTier':'priority'" },
        { "service_tier", "'fast'", NULL, "};'serviceTier':'priority'" },
        { "service_tier", "'scale'", NULL, NULL },

        { "metadata", "{'a':'b'}", "", "" },
        { "store", "true", "", "" },
        { "prediction", "{'type':'content','content':'x'}", "", "" },
        { "verbosity", "'low'", "", "" },
        { "prompt_cache_key", "'k'", "", "" },
        { "prompt_cache_options", "{'mode':'explicit'}", "", "" },
        { "prompt_cache_retention", "'24h'", "", "" },

        { "logprobs", "false", "", "" },
        { "logprobs", "true", NULL, NULL },
        { "top_logprobs", "0", "", "" },
        { "top_logprobs", "2", NULL, NULL },
        { "logit_bias", "{}", "", "" },
        { "logit_bias", "{'1':1}", NULL, NULL },
        { "modalities", "['text']", "", "" },
        { "modalities", "['text','audio']", NULL, NULL },
        { "audio", "{'voice':'v','format':'mp3'}", NULL, NULL },
        { "web_search_options", "{}", NULL, NULL },
        { "moderation", "{'model':'omni'}", NULL, NULL },
        { "functions", "[]", "", "" },
        { "functions", "[{'name':'f'}]", NULL, NULL },
        { "function_call", "'auto'", NULL, NULL }
    };

    (void) state;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        sprintf(body, CHAT(",'%s':%s"), table[i].name, table[i].value);

        want.max_output = 100;

        if (table[i].anthropic) {
            sprintf(text, A_IS("%s"), table[i].anthropic);
            becomes(A, body, text);

        } else {
            declined(A, body, table[i].name);
        }

        want.max_output = -1;

        if (table[i].gemini == NULL) {
            declined(G, body, table[i].name);

        } else if (strncmp(table[i].gemini, "};", 2) == 0) {
            sprintf(text, G_IS(",%s"), table[i].gemini + 2);
            becomes(G, body, text);

        } else {
            sprintf(text, table[i].gemini[0] ? G_IS(",'generationConfig':{%s}")
                                             : G_IS("%s"), table[i].gemini);
            becomes(G, body, text);
        }
    }
}


static void
test_options_together(void **state)
{
    (void) state;

    declined(A, CHAT(",'temperature':0.5,'top_p':0.5"), "top_p");
    becomes(A, CHAT(",'temperature':0.5,'top_p':1"),
            A_IS(",'temperature':0.5"));
    becomes(A, CHAT(",'user':'u','safety_identifier':'s'"),
            A_IS(",'metadata':{'user_id':'s'}"));
    becomes(A, CHAT(",'reasoning_effort':'high','response_format':{'type':"
                    "'json_schema','json_schema':{'schema':{}}}"),
            A_IS(",'output_config':{'effort':'high','format':{'type':"
                 "'json_schema','schema':{}}}"));

    want.max_output = 9;
    becomes(G, CHAT(",'temperature':0.5,'top_p':0.5,'n':2,'service_tier':"
                    "'flex','stop':'x'"),
            G_IS(",'generationConfig':{'maxOutputTokens':9,'temperature':0.5,"
                 "'topP':0.5,'candidateCount':2,'stopSequences':['x']},"
                 "'serviceTier':'flex'"));

    want.max_output = -1;
    target = "gemini-2.5-pro";
    becomes(G, CHAT(",'reasoning_effort':'none'"),
            G_IS(",'generationConfig':{'thinkingConfig':{'thinkingBudget':0}}"));
    becomes(G, CHAT(",'reasoning_effort':'medium'"),
            G_IS(",'generationConfig':{'thinkingConfig':"
                 "{'thinkingBudget':8192}}"));
}


static void
test_unknown(void **state)
{
    (void) state;

    declined(A, CHAT(",'min_p':0.1"), NULL);
    declined(G, CHAT(",'min_p':0.1"), NULL);
    declined(A, CHAT(",'Temperature':0.1"), NULL);
    declined(A, CHAT(",'temperature\\u0000':0.1"), NULL);
    declined(A, CHAT(",'fallbacks':['x']"), NULL);
    becomes(A, CHAT(",'min_p':null,'fallbacks':null"), A_IS(""));

    declined(A, CHAT(",'temperature':0.1,'t\\u0065mperature':0.2"),
             "temperature");
    declined(A, CHAT(",'seed':1,'seed':1"), "seed");
    declined(A, CHAT(",'seed':null,'seed':1"), "seed");
    becomes(A, CHAT(",'t\\u0065mperature':0.2"), A_IS(",'temperature':0.2"));
}


/* at every size of the output */

static void
test_no_room(void **state)
{
    size_t       whole;
    const char  *body;

    (void) state;

    body = TALK(ASK CALLS(CALL("c", "f", "{\\\"x\\\":1}")) ","
                RESULT("c", "'x'"));

    assert_int_equal(translate(A, body), AI_OK);
    whole = nwritten;

    for (room = 0; room < whole; room++) {
        assert_int_equal(translate(A, body), AI_ERROR);
        assert_true(nwritten <= room);
    }

    assert_int_equal(translate(A, body), AI_OK);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_route),
        cmocka_unit_test(test_route_paths),
        cmocka_unit_test_setup(test_cap, setup),
        cmocka_unit_test_setup(test_stream, setup_cap),
        cmocka_unit_test_setup(test_turns, setup_cap),
        cmocka_unit_test_setup(test_turns_odd, setup_cap),
        cmocka_unit_test_setup(test_turns_empty, setup_cap),
        cmocka_unit_test_setup(test_messages_odd, setup_cap),
        cmocka_unit_test_setup(test_history, setup_cap),
        cmocka_unit_test_setup(test_calls, setup_cap),
        cmocka_unit_test_setup(test_calls_twice, setup_cap),
        cmocka_unit_test_setup(test_calls_ids, setup_cap),
        cmocka_unit_test_setup(test_calls_signed, setup_cap),
        cmocka_unit_test_setup(test_calls_bad, setup_cap),
        cmocka_unit_test_setup(test_arguments_long, setup_cap),
        cmocka_unit_test_setup(test_bounds, setup_cap),
        cmocka_unit_test_setup(test_depth, setup_cap),
        cmocka_unit_test_setup(test_images, setup_cap),
        cmocka_unit_test_setup(test_url_length, setup_cap),
        cmocka_unit_test_setup(test_sounds_and_files, setup_cap),
        cmocka_unit_test_setup(test_tools, setup_cap),
        cmocka_unit_test_setup(test_tools_bad, setup_cap),
        cmocka_unit_test_setup(test_choice, setup_cap),
        cmocka_unit_test_setup(test_choice_bad, setup_cap),
        cmocka_unit_test_setup(test_parallel, setup_cap),
        cmocka_unit_test_setup(test_options, setup_cap),
        cmocka_unit_test_setup(test_options_together, setup_cap),
        cmocka_unit_test_setup(test_unknown, setup_cap),
        cmocka_unit_test_setup(test_no_room, setup_cap)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

-- The administration as one function, for the HTTP endpoint.


-- what ai.admin() calls; ai_admin may call each by itself, too

CREATE FUNCTION calls() RETURNS text[]
LANGUAGE sql IMMUTABLE AS $$
    SELECT '{create_plan, set_plan, drop_plan, list_plans, create_tenant,
        set_tenant, suspend_tenant, resume_tenant, list_tenants, show_tenant,
        create_user, adopt, create_key, import_key, rotate_key, revoke_key,
        list_keys, set_limit, drop_limit, add_price, drop_price,
        set_unit_price, list_prices, top_up, adjust, statement, usage, rerate,
        import_provider_usage, reconcile, list_alerts, list_audit,
        set_retention}'::text[]
$$;

DO $$
DECLARE
    f regprocedure;
BEGIN
    FOR f IN SELECT p.oid FROM pg_proc p WHERE p.proname = ANY (calls())
             AND p.pronamespace = 'ai'::regnamespace LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO ai_admin', f);
    END LOOP;
END $$;

-- The SQL of one argument.  Its name and type are the catalogue's, never the
-- client's; the value stays in the parameter.

CREATE FUNCTION call_argument(name text, type regtype, value jsonb)
    RETURNS text
LANGUAGE plpgsql STABLE SET search_path = ai, pg_catalog, pg_temp AS $$
DECLARE
    kind text := jsonb_typeof(value);
    want text := CASE
        WHEN type IN ('integer'::regtype, 'bigint', 'numeric') THEN 'number'
        WHEN type = 'boolean'::regtype THEN 'boolean'
        WHEN type = 'jsonb'::regtype THEN kind
        WHEN type IN ('text[]'::regtype, 'integer[]') THEN 'array'
        ELSE 'string' END;
BEGIN
    IF kind <> want AND NOT (want = 'number' AND kind = 'string') THEN
        PERFORM refuse('22023', format('"%s" must be %s %s', name,
            CASE want WHEN 'array' THEN 'an' ELSE 'a' END, want));
    END IF;

    RETURN format('%I => ', name) || CASE want
        WHEN 'array' THEN format('ARRAY(SELECT jsonb_array_elements_text('
                                 '$1 -> %L))::%s', name, type)
        ELSE CASE type WHEN 'jsonb'::regtype THEN format('$1 -> %L', name)
             ELSE format('($1 ->> %L)::%s', name, type) END
        END;
END $$;

-- Calls one of the functions with named arguments; one with a default may be
-- null, as if it were not given.  What returns many rows is wrapped as
-- {"object": "list", "data": []}.

CREATE FUNCTION admin(actor text, call text, args jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    f      pg_proc;
    names  text[];
    name   text;
    given  text[] := '{}';
    answer jsonb;
BEGIN
    PERFORM set_config('ai.actor', check_text('actor', $1, 128), true);

    SELECT p.* INTO f FROM pg_proc p
    WHERE p.pronamespace = 'ai'::regnamespace AND p.proname = $2
        AND $2 = ANY (calls());

    IF NOT FOUND THEN
        PERFORM refuse('AI404', format('no call %s',
            quote_literal(left(coalesce($2, ''), 80))));
    END IF;

    IF coalesce(jsonb_typeof($3), '') <> 'object' THEN
        PERFORM refuse('22023', 'arguments must be an object');
    END IF;

    names := f.proargnames[1 : f.pronargs];

    SELECT k INTO name FROM jsonb_object_keys($3) k
    WHERE k <> ALL (coalesce(names, '{}')) LIMIT 1;

    IF FOUND THEN
        PERFORM refuse('22023', format('%s has no argument "%s"', $2,
                                       left(name, 80)));
    END IF;

    FOR i IN 1 .. f.pronargs LOOP
        IF jsonb_typeof($3 -> names[i]) <> 'null' THEN
            given := given || call_argument(names[i], f.proargtypes[i - 1],
                                            $3 -> names[i]);

        ELSIF i > f.pronargs - f.pronargdefaults THEN
            CONTINUE;

        ELSIF $3 ? names[i] THEN
            given := given || format('%I => NULL', names[i]);

        ELSE
            PERFORM refuse('22023', format('%s needs "%s"', $2, names[i]));
        END IF;
    END LOOP;

    EXECUTE format(CASE WHEN f.proretset
        THEN 'SELECT jsonb_build_object(''object'', ''list'', ''data'',
                  coalesce(jsonb_agg(to_jsonb(v)), ''[]''))
              FROM ai.%I(%s) v'
        ELSE 'SELECT ai.%I(%s)' END, f.proname,
        array_to_string(given, ', '))
    INTO answer USING $3;

    RETURN answer;

EXCEPTION
    WHEN invalid_text_representation OR invalid_datetime_format
        OR datetime_field_overflow OR interval_field_overflow
        OR numeric_value_out_of_range OR check_violation
        OR not_null_violation OR invalid_time_zone_displacement_value
        OR untranslatable_character OR string_data_right_truncation
    THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = SQLERRM;
    WHEN unique_violation OR foreign_key_violation THEN
        RAISE EXCEPTION USING ERRCODE = 'AI409', MESSAGE = SQLERRM;
END $$;

GRANT EXECUTE ON FUNCTION admin(text, text, jsonb) TO ai_admin;

-- Who may see and do what.
--
-- Tables with anything of a tenant have row-level security, forced: even their
-- owner passes only by a policy.  ai_gateway has no right to any table; it
-- executes functions of the owner (SECURITY DEFINER, each with a search_path of
-- its own).  ai_admin reads everything and writes through functions.  ai_tenant
-- reads the rows of one tenant, the one that the transaction is set to.

-- what ai_owner makes from here on, and nobody else may execute unasked

ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

GRANT USAGE ON SCHEMA ai TO ai_gateway, ai_admin, ai_tenant;


-- ---- rows ------------------------------------------------------------------

-- The tenant that this transaction answers: SET LOCAL ai.tenant.  An error
-- when there is none, so that a forgotten setting is never "no rows", let alone
-- all of them.

CREATE FUNCTION current_tenant() RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = ai, pg_catalog, pg_temp
AS $$
DECLARE
    tenant  text := current_setting('ai.tenant', true);
BEGIN
    IF tenant IS NULL OR tenant = '' THEN
        RAISE EXCEPTION 'ai.tenant is not set'
            USING ERRCODE = 'insufficient_privilege';
    END IF;

    RETURN tenant;
END
$$;

GRANT EXECUTE ON FUNCTION current_tenant() TO ai_tenant;

DO $$
DECLARE
    t       text;
    mine    text;   -- the column that names the row's tenant

    -- what a tenant may read of itself, but for api_keys
    readable text[] := '{tenants, users, rate_limits, usage_logs, usage_hourly,
        spend, billing_transactions, billing_entries, balances, credits,
        usage_corrections, alerts}';

    -- with rows of tenants, and none of a tenant's business
    closed text[] := '{owned_resources, quarantine, rerates, changes, audit}';

    -- nothing of a tenant
    common text[] := '{plans, prices, unit_prices, nodes, provider_usage,
        migrations, housekeeping}';
BEGIN
    FOREACH t IN ARRAY readable || closed || 'api_keys'::text LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY owner ON %I TO ai_owner
                            USING (true) WITH CHECK (true)', t);
        EXECUTE format('CREATE POLICY admin ON %I FOR SELECT TO ai_admin
                            USING (true)', t);
    END LOOP;

    FOREACH t IN ARRAY readable || 'api_keys'::text LOOP
        mine := CASE t WHEN 'tenants' THEN 'name' ELSE 'tenant' END;

        EXECUTE format('CREATE POLICY tenant ON %I FOR SELECT TO ai_tenant
                            USING (%I = ai.current_tenant())', t, mine);
    END LOOP;

    FOREACH t IN ARRAY readable LOOP
        EXECUTE format('GRANT SELECT ON %I TO ai_tenant', t);
    END LOOP;

    FOREACH t IN ARRAY readable || closed || common || 'api_keys'::text LOOP
        EXECUTE format('REVOKE ALL ON %I FROM PUBLIC', t);
        EXECUTE format('GRANT SELECT ON %I TO ai_admin', t);
    END LOOP;
END
$$;

-- a tenant reads its keys, never a digest

GRANT SELECT (id, tenant, name, prefix, user_name, models, expires_at,
              revoked_at, rotated_to, created_at)
    ON api_keys TO ai_tenant;


-- ---- append only -----------------------------------------------------------

CREATE FUNCTION refuse_change() RETURNS trigger
LANGUAGE plpgsql
SET search_path = ai, pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'ai.% is append only', TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege',
              HINT = 'Correct it with a new transaction.';
END
$$;

-- for each statement: refused even where no row is touched.  ALWAYS: not to be
-- passed by with session_replication_role.

DO $$
DECLARE
    t       text;
BEGIN
    FOREACH t IN ARRAY '{billing_transactions, billing_entries, credits,
                         usage_corrections, audit}'::text[]
    LOOP
        EXECUTE format('CREATE TRIGGER append_only
            BEFORE UPDATE OR DELETE OR TRUNCATE ON %I
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', t);
        EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER append_only', t);
    END LOOP;
END
$$;


-- ---- double entry ----------------------------------------------------------

-- A transaction has two entries or more, all of its tenant, which sum to zero.
-- Judged at COMMIT, so that they may be written one by one; after any entry,
-- because one may be written to a transaction of long ago.  At COMMIT it runs
-- as who logged in, hence SECURITY DEFINER.

CREATE FUNCTION check_balanced() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp
AS $$
DECLARE
    t_id        bigint;
    entries     bigint;
    strange     bigint;     -- of another tenant
    total       numeric;
BEGIN
    IF TG_TABLE_NAME = 'billing_entries' THEN
        t_id := NEW.transaction;
    ELSE
        t_id := NEW.id;
    END IF;

    SELECT count(*), coalesce(sum(e.amount_nanos), 0),
           count(*) FILTER (WHERE e.tenant <> t.tenant)
      INTO entries, total, strange
      FROM billing_entries e JOIN billing_transactions t ON t.id = e.transaction
     WHERE e.transaction = t_id;

    IF entries < 2 OR total <> 0 OR strange <> 0 THEN
        RAISE EXCEPTION 'billing transaction % is not balanced: '
                        '% entries, sum %, % of another tenant',
                        t_id, entries, total, strange
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;

    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER balanced AFTER INSERT ON billing_transactions
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION check_balanced();

CREATE CONSTRAINT TRIGGER balanced AFTER INSERT ON billing_entries
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION check_balanced();

ALTER TABLE billing_transactions ENABLE ALWAYS TRIGGER balanced;
ALTER TABLE billing_entries ENABLE ALWAYS TRIGGER balanced;

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

-- All entries of a transaction come by one statement: two or more, of its
-- tenant, with the sum zero.  It is judged at the end of that statement, as a
-- set, because a batch of usage has hundreds of transactions.

CREATE FUNCTION check_entries() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp
AS $$
DECLARE
    bad     record;
BEGIN
    SELECT n.transaction, n.total, n.entries INTO bad
      FROM (SELECT transaction, count(*) AS entries,
                   sum(amount_nanos) AS total,
                   min(tenant) AS low, max(tenant) AS high
              FROM fresh GROUP BY transaction) n
      LEFT JOIN billing_transactions t
             ON t.id = n.transaction AND t.tenant = n.low AND n.low = n.high
     WHERE n.total <> 0 OR n.entries < 2 OR t.id IS NULL
        OR n.entries <> (SELECT count(*) FROM billing_entries e
                          WHERE e.transaction = n.transaction)
     LIMIT 1;

    IF FOUND THEN
        RAISE EXCEPTION 'billing transaction % is not balanced',
                        bad.transaction
            USING ERRCODE = 'integrity_constraint_violation',
                  DETAIL = format('%s new entries, their sum is %s nano-dollars.',
                                  bad.entries, bad.total),
                  HINT = 'All entries come by one statement, after their '
                         'transaction, and are of its tenant.';
    END IF;

    RETURN NULL;
END
$$;

CREATE TRIGGER balanced AFTER INSERT ON billing_entries
    REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION check_entries();

-- A transaction without entries is found at COMMIT, when the trigger runs as
-- who logged in, hence SECURITY DEFINER.

CREATE FUNCTION check_transaction() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM billing_entries WHERE transaction = NEW.id) THEN
        RAISE EXCEPTION 'billing transaction % has no entries', NEW.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;

    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER balanced AFTER INSERT ON billing_transactions
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION check_transaction();

ALTER TABLE billing_transactions ENABLE ALWAYS TRIGGER balanced;
ALTER TABLE billing_entries ENABLE ALWAYS TRIGGER balanced;

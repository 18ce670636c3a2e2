-- Roles, the schema itself and the list of what was applied.
--
-- Applied by a superuser, or by a role with CREATEROLE and the right to create
-- in the database; every other file is applied as ai_owner.  Roles belong to
-- the whole cluster, so they may exist already.
--
--   ai_owner    owns every object; nobody logs in as it
--   ai_gateway  nginx: executes a handful of functions, and touches no table
--   ai_admin    administration: its functions, and reads everything
--   ai_tenant   what a function runs as while it answers one tenant
--
-- The two that log in get no password here: peer or trust, or ALTER ROLE.

DO $$
BEGIN
    IF current_setting('server_version_num')::int < 150000 THEN
        RAISE EXCEPTION 'schema ai needs PostgreSQL 15 or newer';
    END IF;

    IF current_setting('server_encoding') <> 'UTF8' THEN
        RAISE EXCEPTION 'schema ai needs a database of encoding UTF8';
    END IF;

    -- two databases of one cluster may be migrated at once

    PERFORM pg_advisory_xact_lock(hashtext('ai roles'));

    -- NOINHERIT: the owner may hand functions to ai_tenant, yet policies of
    -- ai_tenant are not its own

    IF to_regrole('ai_owner') IS NULL THEN
        CREATE ROLE ai_owner NOLOGIN NOINHERIT;
    END IF;

    IF to_regrole('ai_gateway') IS NULL THEN
        CREATE ROLE ai_gateway LOGIN;
    END IF;

    IF to_regrole('ai_admin') IS NULL THEN
        CREATE ROLE ai_admin LOGIN;
    END IF;

    IF to_regrole('ai_tenant') IS NULL THEN
        CREATE ROLE ai_tenant NOLOGIN;
    END IF;

    IF NOT pg_has_role('ai_owner', 'ai_tenant', 'MEMBER') THEN
        GRANT ai_tenant TO ai_owner;
    END IF;

    -- who is no superuser must become ai_owner for the next files; in 16 a
    -- creator is a member without SET

    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        EXECUTE format('GRANT ai_owner TO %I', current_user);
    END IF;
END
$$;

-- A gateway's statement that takes longer will be sent again; a lock that is
-- not had in time is somebody's maintenance.  Plans of these statements never
-- earn their compilation.

ALTER ROLE ai_gateway SET statement_timeout = '30s';
ALTER ROLE ai_gateway SET lock_timeout = '10s';
ALTER ROLE ai_gateway SET idle_in_transaction_session_timeout = '15s';
ALTER ROLE ai_gateway SET default_transaction_isolation = 'read committed';
ALTER ROLE ai_gateway SET timezone = 'UTC';
ALTER ROLE ai_gateway SET jit = off;
ALTER ROLE ai_gateway SET search_path = '';

ALTER ROLE ai_admin SET statement_timeout = '5min';
ALTER ROLE ai_admin SET lock_timeout = '10s';
ALTER ROLE ai_admin SET idle_in_transaction_session_timeout = '5min';
ALTER ROLE ai_admin SET timezone = 'UTC';
ALTER ROLE ai_admin SET search_path = 'ai';

-- for who logs in as a member of it, were one to

ALTER ROLE ai_tenant SET statement_timeout = '30s';
ALTER ROLE ai_tenant SET timezone = 'UTC';
ALTER ROLE ai_tenant SET search_path = 'ai';

CREATE SCHEMA IF NOT EXISTS ai AUTHORIZATION ai_owner;

REVOKE ALL ON SCHEMA ai FROM PUBLIC;

SET LOCAL ROLE ai_owner;

CREATE TABLE IF NOT EXISTS ai.migrations (
    version     integer PRIMARY KEY,
    name        text NOT NULL,
    checksum    text NOT NULL,      -- SHA-256 of the file, in hex
    applied_at  timestamptz NOT NULL DEFAULT now(),
    applied_by  text NOT NULL DEFAULT session_user
);

RESET ROLE;

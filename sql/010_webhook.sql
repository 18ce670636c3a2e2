-- Alerts on their way to a webhook: tools/alerts.

-- the oldest that were not delivered yet, each as one JSON object

CREATE FUNCTION alerts_waiting(max integer) RETURNS SETOF jsonb
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp
AS $$
    SELECT to_jsonb(a) - 'delivered_at'
      FROM ai.alerts a
     WHERE delivered_at IS NULL
     ORDER BY id
     LIMIT least(max, 1000)
$$;

CREATE FUNCTION alert_delivered(alert bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp
AS $$
    UPDATE ai.alerts SET delivered_at = now()
     WHERE id = alert AND delivered_at IS NULL
$$;

REVOKE ALL ON FUNCTION alerts_waiting(integer), alert_delivered(bigint)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION alerts_waiting(integer), alert_delivered(bigint)
    TO ai_admin;

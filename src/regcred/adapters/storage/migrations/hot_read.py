"""The hot read on PostgreSQL: many requests of any projects in one statement.

So it runs as the tables' owner, with a pinned search path and every name in full, and sees every
project for as long as it runs (only an administrator may bind that setting to a function, so it is
set and put back). It reads, has no dynamic SQL, and gives one request nothing but: the key of
exactly that id, and the logins of one project at the places that it names. Which project, the key
decides: its own, or for an operator's the one that the request names. A request without a key gets
what the transaction's own setting shows, and no more: the workload or the client behind it was
looked up before. Of a project that is not reached nothing is read: that would show in the time.

Revision 0009 made it as it stands here. One that does something else has another name.
"""

from __future__ import annotations

NAME = "regcred_resolve_2"
SIGNATURE = f"public.{NAME}(text[], text[], bigint[], text[], text[], text[])"

# Request n: key id or NULL; project by id or number, or neither: the key's own; two lookups; path
# prefixes joined by line feeds, NULL where a host alone is asked for. What a request finds comes
# best first. LIMITs inside LATERAL keep a crowded project from the others' time and memory: 1,024
# rows of the index are looked at. Of those that are for the request (a pattern stands among those
# of as many labels, so no * matches more than one) come as many as can be used and a few more,
# since rows that were edited are dropped later.
CREATE = """
    CREATE FUNCTION public.regcred_resolve_2(
        key_ids text[], project_ids text[], project_numbers bigint[],
        exact text[], patterns text[], paths text[]
    ) RETURNS TABLE (
        n bigint,
        k_id text, k_project_id text, k_name text, k_role text, k_operator bigint,
        k_image_patterns text, k_expires_at bigint, k_disabled bigint, k_created_at bigint,
        k_last_used_at bigint, k_version bigint, k_digest bytea, k_stamp bytea,
        p_id text, s_scope text,
        c_id text, c_name text, c_created_at bigint, c_expires_at bigint, c_provider text,
        c_registry_url text, c_scopes text, c_username text, c_settings text, c_verdict text,
        c_verdict_at bigint, c_dead_since bigint, c_dead_last bigint,
        x_secret_version bigint, x_sealed bytea, g_kid text, g_generation bigint, g_wrapped bytea
    )
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
    AS $function$
    DECLARE
        before text := coalesce(current_setting('regcred.project', true), '');
    BEGIN
        before := before || left(set_config('regcred.project', '*', true), 0);
        RETURN QUERY
        SELECT r.n,
            k.id, k.project_id, k.name, k.role, k.operator, k.image_patterns, k.expires_at,
            k.disabled, k.created_at, k.last_used_at, k.version, k.digest, k.stamp,
            p.id, s.scope,
            c.id, c.name, c.created_at, c.expires_at, c.provider, c.registry_url, c.scopes,
            c.username, c.settings, c.verdict, c.verdict_at, c.dead_since, c.dead_last,
            x.secret_version, x.sealed, g.kid, g.generation, g.wrapped
        FROM unnest(key_ids, project_ids, project_numbers, exact, patterns, paths)
            WITH ORDINALITY AS r (key_id, project_id, project_number, exact, pattern, paths, n)
        LEFT JOIN LATERAL (
            SELECT a.* FROM public.api_keys a WHERE a.id = r.key_id LIMIT 1
        ) k ON true
        LEFT JOIN LATERAL (
            SELECT q.id FROM public.projects q
            WHERE q.id = CASE
                WHEN r.project_number IS NOT NULL THEN (
                    SELECT z.id FROM public.projects z WHERE z.number = r.project_number
                )
                ELSE coalesce(r.project_id, k.project_id)
            END AND CASE
                WHEN r.key_id IS NULL THEN before = '*' OR q.id = before
                ELSE q.id = k.project_id OR k.operator = 1
            END
            LIMIT 1
        ) p ON true
        LEFT JOIN LATERAL (
            (
                SELECT i.scope, i.number, i.lookup, i.path, i.whole
                FROM (
                    SELECT j.scope, j.number, j.lookup, j.path, j.whole
                    FROM public.credential_scopes j
                    WHERE r.paths IS NOT NULL AND j.project_id = p.id
                        AND j.lookup = ANY (ARRAY[r.exact, r.pattern])
                        AND j.path = ANY (string_to_array(r.paths, E'\\n'))
                    ORDER BY j.lookup DESC, j.path DESC, j.number DESC LIMIT 1024
                ) i
                WHERE rtrim(r.exact || '/' || i.path, '/') LIKE replace(i.scope, '*', '%')
                ORDER BY i.lookup DESC, i.path DESC, i.number DESC LIMIT 80
            )
            UNION ALL
            (
                SELECT h.scope, h.number, h.lookup, '' COLLATE "C", h.whole
                FROM (
                    SELECT l.scope, l.number, l.lookup, l.path, l.whole
                    FROM public.credential_scopes l
                    WHERE r.paths IS NULL AND l.project_id = p.id
                        AND l.lookup = ANY (ARRAY[r.exact, r.pattern])
                    ORDER BY l.lookup DESC, l.whole DESC, l.number DESC LIMIT 1024
                ) h
                WHERE rtrim(r.exact || '/' || h.path, '/') LIKE replace(h.scope, '*', '%')
                ORDER BY h.lookup DESC, h.whole DESC, h.number DESC LIMIT 272
            )
        ) s ON true
        LEFT JOIN LATERAL (
            SELECT b.* FROM public.credentials b
            WHERE b.project_id = p.id AND b.number = s.number LIMIT 1
        ) c ON true
        LEFT JOIN LATERAL (
            SELECT y.* FROM public.credential_secrets y
            WHERE y.project_id = p.id AND y.credential_id = c.id AND y.state = 'current' LIMIT 1
        ) x ON true
        LEFT JOIN LATERAL (
            SELECT w.* FROM public.project_seeds w
            WHERE w.project_id = p.id AND w.generation = x.seed_generation LIMIT 1
        ) g ON true
        WHERE k.id IS NOT NULL OR (r.key_id IS NULL AND p.id IS NOT NULL)
        ORDER BY r.n, s.lookup DESC, s.path DESC,
            CASE WHEN r.paths IS NULL THEN s.whole END DESC, s.number DESC;
        before := set_config('regcred.project', before, true);
    END
    $function$
"""
BODY = CREATE.split("$function$")[1]

"""What a batch of answers leaves in the store, in one call: last uses, fetches, audit rows.

Nothing on SQLite, where a statement is no round trip. Only a function: servers of the version
before go on with their own statements.
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# Runs as whoever calls it, behind the same walls. `shown` is the setting that they go by, where the
# call is its own transaction; NULL inside another one.
#
# Rows that others have locked are not waited for: what is not moved now is returned, as moved with
# the next one, and who hands out logins never waits for who edits them. A fetch's foreign key would
# wait for a login that somebody is deleting: with the lock that it wants taken before, or left out,
# it finds it or is not asked. Fetches go in the order of their index, as every batch of every
# process: so no two wait for each other. `left_fetches` counts theirs from 1.
#
# Then the audit rows, whose signatures hold their numbers: `first` is what the caller takes for the
# next one. If it is, they are written, and `due` is NULL; if not, nothing of them, and it is the
# right one, which inside a transaction is the caller's until its end.
_TRACE = """
    CREATE FUNCTION public.regcred_trace_1(
        shown text, first bigint,
        u_projects text[], u_ids text[], u_at bigint[], u_principals text[],
        k_ids text[], k_at bigint[],
        f_projects text[], f_credentials text[], f_principals text[], f_clients text[],
        f_images text[], f_nodes text[], f_namespaces text[], f_at bigint[],
        a_at bigint[], a_projects text[], a_actions text[], a_principals text[], a_targets text[],
        a_versions bigint[], a_requests text[], a_last_requests text[], a_counts bigint[],
        a_peers text[], a_details text[], a_macs bytea[],
        OUT due bigint, OUT left_uses text[], OUT left_keys text[], OUT left_fetches bigint[]
    )
    LANGUAGE plpgsql VOLATILE SECURITY INVOKER
    AS $function$
    DECLARE
        told bigint := cardinality(a_macs);
        written bigint;
    BEGIN
        IF shown IS NOT NULL THEN
            PERFORM set_config('regcred.project', shown, true),
                set_config('lock_timeout', '5s', true);
        END IF;
        IF cardinality(u_ids) > 0 THEN
            UPDATE public.credentials c SET last_used_at = u.at, last_used_by = u.principal
            FROM unnest(u_projects, u_ids, u_at, u_principals) AS u (project_id, id, at, principal)
            WHERE c.project_id = u.project_id AND c.id = u.id AND (c.project_id, c.id) IN (
                SELECT f.project_id, f.id FROM public.credentials f
                JOIN unnest(u_projects, u_ids, u_at) AS v (p, i, a)
                    ON f.project_id = v.p AND f.id = v.i
                WHERE f.last_used_at IS NULL OR f.last_used_at < v.a
                FOR NO KEY UPDATE OF f SKIP LOCKED
            );
            GET DIAGNOSTICS written = ROW_COUNT;
            IF written < cardinality(u_ids) THEN
                SELECT array_agg(f.id) INTO left_uses FROM public.credentials f
                JOIN unnest(u_projects, u_ids, u_at) AS v (p, i, a)
                    ON f.project_id = v.p AND f.id = v.i
                WHERE f.last_used_at IS NULL OR f.last_used_at < v.a;
            END IF;
        END IF;
        IF cardinality(k_ids) > 0 THEN
            UPDATE public.api_keys k SET last_used_at = u.at
            FROM unnest(k_ids, k_at) AS u (id, at)
            WHERE k.id = u.id AND k.id IN (
                SELECT f.id FROM public.api_keys f
                JOIN unnest(k_ids, k_at) AS v (i, a) ON f.id = v.i
                WHERE f.last_used_at IS NULL OR f.last_used_at < v.a
                FOR NO KEY UPDATE OF f SKIP LOCKED
            );
            GET DIAGNOSTICS written = ROW_COUNT;
            IF written < cardinality(k_ids) THEN
                SELECT array_agg(f.id) INTO left_keys FROM public.api_keys f
                JOIN unnest(k_ids, k_at) AS v (i, a) ON f.id = v.i
                WHERE f.last_used_at IS NULL OR f.last_used_at < v.a;
            END IF;
        END IF;
        IF cardinality(f_at) > 0 THEN
            INSERT INTO public.fetches (
                project_id, credential_id, principal, client, image, node, namespace,
                first_at, last_at
            )
            SELECT c.project_id, c.id, w.principal, w.client, w.image, w.node, w.namespace,
                w.at, w.at
            FROM unnest(
                f_projects, f_credentials, f_principals, f_clients, f_images, f_nodes,
                f_namespaces, f_at
            ) AS w (project_id, credential_id, principal, client, image, node, namespace, at)
            JOIN (
                SELECT f.project_id, f.id FROM public.credentials f
                JOIN (
                    SELECT DISTINCT p, i FROM unnest(f_projects, f_credentials) AS u (p, i)
                ) v ON f.project_id = v.p AND f.id = v.i
                FOR KEY SHARE OF f SKIP LOCKED
            ) c ON c.project_id = w.project_id AND c.id = w.credential_id
            ORDER BY 1, 2, 3, 4, 5, 6, 7
            ON CONFLICT (project_id, credential_id, principal, client, image, node, namespace)
            DO UPDATE SET last_at = excluded.last_at WHERE fetches.last_at < excluded.last_at;
            GET DIAGNOSTICS written = ROW_COUNT;
            IF written < cardinality(f_at) THEN
                SELECT array_agg(w.n) INTO left_fetches
                FROM unnest(
                    f_projects, f_credentials, f_principals, f_clients, f_images, f_nodes,
                    f_namespaces, f_at
                ) WITH ORDINALITY AS w (
                    project_id, credential_id, principal, client, image, node, namespace, at, n
                )
                JOIN public.credentials c ON c.project_id = w.project_id AND c.id = w.credential_id
                WHERE NOT EXISTS (
                    SELECT 1 FROM public.fetches f
                    WHERE f.project_id = w.project_id AND f.credential_id = w.credential_id
                        AND f.principal = w.principal AND f.client = w.client
                        AND f.image = w.image AND f.node = w.node
                        AND f.namespace = w.namespace AND f.last_at >= w.at
                );
            END IF;
        END IF;
        IF told = 0 THEN
            RETURN;
        END IF;
        SELECT n.last + 1 INTO due FROM public.audit_numbers n WHERE n.id = 1 FOR UPDATE;
        IF due <> first THEN
            RETURN;
        END IF;
        due := NULL;
        UPDATE public.audit_numbers SET last = last + told WHERE id = 1;
        INSERT INTO public.audit_events (
            number, at, project_id, action, principal, target, secret_version, request_id,
            last_request_id, count, peer, details, mac
        )
        SELECT first - 1 + w.n, w.at, w.project_id, w.action, w.principal, w.target, w.version,
            w.request, w.last_request, w.count, w.peer, w.details, w.mac
        FROM unnest(
            a_at, a_projects, a_actions, a_principals, a_targets, a_versions, a_requests,
            a_last_requests, a_counts, a_peers, a_details, a_macs
        ) WITH ORDINALITY AS w (
            at, project_id, action, principal, target, version, request, last_request, count, peer,
            details, mac, n
        );
        GET DIAGNOSTICS written = ROW_COUNT;
        IF written <> told THEN
            RAISE EXCEPTION 'an audit row was dropped' USING ERRCODE = 'RC001';
        END IF;
    END
    $function$
"""


def upgrade() -> None:
    """Make it on PostgreSQL. Runs inside the one transaction that the caller opened."""
    if op.get_bind().dialect.name == "postgresql":
        op.get_bind().exec_driver_sql(_TRACE)

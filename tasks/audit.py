"""What must hold between answers, seats and money, checked against the database."""

from django.db import connection

from payments import guards, ledger
from workers import scoring

WEIGHT = f"""power(2, extract(epoch FROM e.created_at - '{scoring.EPOCH:%Y-%m-%d %H:%M:%SZ}') / 86400.0
    / coalesce(nullif(r.half_life_days, 0), 1e9))::float8"""
WORTH = f"""power(2, extract(epoch FROM r.scored_at - '{scoring.EPOCH:%Y-%m-%d %H:%M:%SZ}') / 86400.0
    / r.half_life_days)::float8"""
APPEND_ONLY = {
    f"{table}_append_only": table
    for table in ("tasks_bonus", "tasks_topup", "tasks_evidence", "tasks_evidencevoid", "tasks_decisionevidence")
}
CHECKS = {
    "a task's seats are not its answers": """
        SELECT t.id FROM tasks_task t LEFT JOIN tasks_answer a
            ON a.task_id = t.id AND a.attempt = 0 AND a.state IN ('leased', 'submitted', 'accepted')
        WHERE NOT EXISTS (SELECT 1 FROM tasks_gold g WHERE g.task_id = t.id)
        GROUP BY t.id HAVING count(a.id) <> t.taken""",
    "a task has more answers than were bought": "SELECT id FROM tasks_task WHERE taken > bought OR taken < 0",
    "a worker answered a task twice": """
        SELECT task_id FROM tasks_answer WHERE state NOT IN ('returned', 'expired')
        GROUP BY worker_id, task_id, attempt HAVING count(*) > 1""",
    "an open assignment's answers are not leased, or the other way round": """
        SELECT s.id FROM tasks_assignment s JOIN tasks_answer a ON a.assignment_id = s.id
        WHERE (s.state = 'open') <> (a.state = 'leased') AND NOT (s.state = 'open' AND a.state = 'skipped')
            AND NOT (s.state = 'open' AND s.purpose = 'practice' AND a.state = 'submitted')""",
    "an answer that was handed in has no value, or one that was not has one": """
        SELECT id FROM tasks_answer
        WHERE (state IN ('submitted', 'accepted', 'rejected', 'excluded')) <> (value IS NOT NULL)
            OR (value IS NULL) <> (submitted_at IS NULL)""",
    "an answer's price or fee is not what its batch pays": """
        SELECT a.id FROM tasks_answer a JOIN tasks_batch b ON b.id = a.batch_id
        LEFT JOIN tasks_decision d ON d.answer_id = a.id AND d.kind = 'part'
        LEFT JOIN tasks_withheld w ON w.decision_id = d.id,
        LATERAL (SELECT a.price_micros + coalesce(w.price_micros, 0) AS price,
                     a.fee_micros + coalesce(w.fee_micros, 0) AS fee) AS whole
        WHERE a.attempt = 0
            AND (whole.price <> b.price_micros
                    AND NOT b.tiers @> jsonb_build_array(jsonb_build_object('price_micros', whole.price))
                 OR whole.fee <> whole.price * b.fee_bp / 10000
                 OR a.fee_micros <> a.price_micros * b.fee_bp / 10000)""",
    "a part of a price is withheld without a decision that stands, or paid while it does": """
        SELECT d.id FROM tasks_decision d LEFT JOIN tasks_withheld w ON w.decision_id = d.id
        LEFT JOIN payments_entry e ON e.id = w.entry_id
        WHERE (d.kind = 'part') <> (w.decision_id IS NOT NULL)
            OR d.kind = 'part' AND w.price_micros > 0 AND (d.state = 'overturned') <> (w.entry_id IS NOT NULL)
            OR e.key <> 'rest:' || d.id""",
    "a task is done although seats of it were withdrawn": """
        SELECT id FROM tasks_task WHERE withdrawn > 0 AND state <> 'open'""",
    "an exam's price or fee is not what its batch pays": """
        SELECT s.id FROM tasks_assignment s JOIN tasks_batch b ON b.id = s.batch_id
        JOIN tasks_answer a ON a.assignment_id = s.id WHERE s.purpose = 'exam' GROUP BY s.id, b.id
        HAVING sum(a.price_micros) <> b.exam_price_micros
            OR sum(a.fee_micros) <> b.exam_price_micros * b.fee_bp / 10000""",
    "a practice is paid": """
        SELECT a.id FROM tasks_answer a JOIN tasks_assignment s ON s.id = a.assignment_id
        WHERE s.purpose = 'practice' AND (a.price_micros <> 0 OR a.fee_micros <> 0)""",
    "a batch's paid exams are not those it gave out": """
        SELECT b.id FROM tasks_batch b LEFT JOIN tasks_assignment s
            ON s.batch_id = b.id AND s.purpose = 'exam' AND s.state IN ('open', 'submitted') AND b.exam_price_micros > 0
        GROUP BY b.id HAVING count(s.id) <> b.exams_taken""",
    "an answer is rejected or excluded without a decision, or the other way round": """
        SELECT a.id FROM tasks_answer a LEFT JOIN tasks_decision d ON d.answer_id = a.id AND d.state = 'standing'
        WHERE CASE d.kind WHEN 'reject' THEN 'rejected' WHEN 'exclude' THEN 'excluded' WHEN 'part' THEN 'excluded' END
            IS DISTINCT FROM CASE WHEN a.state IN ('rejected', 'excluded') THEN a.state END""",
    "a hold is lifted though its decision stands, or the other way round": """
        SELECT d.id FROM tasks_decision d LEFT JOIN payments_hold h ON h.id = d.hold_id
        WHERE d.kind = 'hold' AND d.state IN ('standing', 'overturned')
            AND (h.id IS NULL OR (h.lifted_at IS NOT NULL) <> (d.state = 'overturned') OR h.until <> d.until)""",
    "an answer is settled by an entry that is not a settlement": """
        SELECT a.id FROM tasks_answer a JOIN payments_entry e ON e.id = a.entry_id WHERE e.kind <> 'settlement'""",
    "a settlement moved another sum than its answers come to": """
        WITH paid AS (SELECT entry_id, sum(micros) AS micros FROM (
                          SELECT entry_id, price_micros + fee_micros AS micros FROM tasks_answer UNION ALL
                          SELECT entry_id, price_micros + fee_micros FROM tasks_withheld UNION ALL
                          SELECT entry_id, amount_micros + fee_micros FROM tasks_bonus) parts
                      WHERE entry_id IS NOT NULL GROUP BY entry_id),
             moved AS (SELECT e.id, sum(t.amount_micros) AS micros FROM payments_entry e
                       JOIN payments_transfer t ON t.entry_id = e.id
                       WHERE e.kind IN ('settlement', 'bonus') GROUP BY e.id)
        SELECT coalesce(id, entry_id) FROM paid FULL JOIN moved ON moved.id = paid.entry_id
        WHERE paid.micros IS DISTINCT FROM moved.micros""",
    "a worker was settled another sum than their answers come to": """
        WITH earned AS (SELECT w.user_id, b.currency, b.mode, sum(a.price_micros) AS micros FROM (
                            SELECT worker_id, batch_id, entry_id, price_micros FROM tasks_answer UNION ALL
                            SELECT d.worker_id, h.batch_id, h.entry_id, h.price_micros FROM tasks_withheld h
                                JOIN tasks_decision d ON d.id = h.decision_id UNION ALL
                            SELECT worker_id, batch_id, entry_id, amount_micros FROM tasks_bonus) a
                        JOIN workers_worker w ON w.id = a.worker_id JOIN tasks_batch b ON b.id = a.batch_id
                        WHERE a.entry_id IS NOT NULL GROUP BY 1, 2, 3),
             settled AS (SELECT acc.user_id, acc.currency, acc.mode, sum(t.amount_micros) AS micros
                         FROM payments_transfer t JOIN payments_entry e ON e.id = t.entry_id
                         JOIN payments_account acc ON acc.id = t.credit_id
                         WHERE e.kind IN ('settlement', 'bonus') AND acc.kind IN ('earnings', 'pending')
                         GROUP BY 1, 2, 3)
        SELECT coalesce(earned.user_id, settled.user_id) FROM earned
        FULL JOIN settled USING (user_id, currency, mode) WHERE earned.micros IS DISTINCT FROM settled.micros""",
    "a top-up is not what its entry moved": """
        WITH moved AS (SELECT e.key, w.id AS worker_id, sum(t.amount_micros) AS micros FROM payments_entry e
                       JOIN payments_transfer t ON t.entry_id = e.id JOIN payments_account acc ON acc.id = t.credit_id
                       LEFT JOIN workers_worker w ON w.user_id = acc.user_id
                       WHERE e.kind = 'top_up' GROUP BY e.key, w.id)
        SELECT coalesce(u.id, -1) FROM tasks_topup u FULL JOIN moved ON moved.key = 'top_up:' || u.id
        WHERE u.amount_micros IS DISTINCT FROM moved.micros OR u.worker_id IS DISTINCT FROM moved.worker_id""",
    "a batch was topped up beyond its line": """
        WITH made AS (SELECT batch_id, sum(amount_micros) AS micros FROM tasks_topup GROUP BY batch_id)
        SELECT b.id FROM tasks_batch b LEFT JOIN made ON made.batch_id = b.id
        LEFT JOIN payments_reserve r ON r.subject = 'batch:' || b.id
        LEFT JOIN payments_reserveline line ON line.reserve_id = r.id AND line.name = 'top_ups'
        WHERE coalesce(made.micros, 0) <> b.topped_micros OR b.topped_micros > coalesce(line.amount_micros, 0)""",
    "a worker was topped up beyond the cap": """
        WITH made AS (SELECT batch_id, worker_id, sum(amount_micros) AS micros,
                             coalesce(sum(amount_micros) FILTER (WHERE granted_by_id IS NULL), 0) AS unasked
                      FROM tasks_topup GROUP BY 1, 2)
        SELECT coalesce(s.id, -1) FROM tasks_timesheet s FULL JOIN made USING (batch_id, worker_id)
        LEFT JOIN tasks_batch b ON b.id = batch_id
        WHERE coalesce(made.micros, 0) <> coalesce(s.topped_micros, 0)
            OR coalesce(made.micros - made.unasked, 0) <> coalesce(s.granted_micros, 0)
            OR coalesce(made.unasked, 0) > coalesce(s.paid_micros, 0) * b.top_up_most_percent / 100""",
    "a worker's time sheet is not what was paid, rejected and timed": """
        WITH told AS (
            SELECT a.worker_id, a.batch_id,
                   count(*) FILTER (WHERE a.entry_id IS NOT NULL AND a.attempt = 0) AS paid,
                   coalesce(sum(a.price_micros) FILTER (WHERE a.entry_id IS NOT NULL AND a.attempt = 0), 0)
                       + coalesce(sum(w.price_micros) FILTER (WHERE w.entry_id IS NOT NULL), 0) AS micros,
                   coalesce(sum(a.price_micros) FILTER (WHERE a.entry_id IS NOT NULL AND a.attempt <> 0), 0) AS exams,
                   coalesce(sum(a.price_micros) FILTER (WHERE a.state = 'rejected'), 0)
                       + coalesce(sum(w.price_micros) FILTER (WHERE d.state = 'standing'), 0) AS rejected,
                   sum(a.price_micros + coalesce(w.price_micros, 0))
                       FILTER (WHERE p.is_timed AND a.submitted_at IS NOT NULL) AS offered,
                   count(*) FILTER (WHERE p.is_timed AND p.purpose = 'work' AND a.submitted_at IS NOT NULL) AS answers
            FROM tasks_answer a JOIN tasks_assignment p ON p.id = a.assignment_id
            LEFT JOIN (tasks_withheld w JOIN tasks_decision d ON d.id = w.decision_id) ON d.answer_id = a.id
            GROUP BY 1, 2),
        timed AS (SELECT worker_id, batch_id, sum(active_s) FILTER (WHERE purpose = 'work') AS work_s,
                         sum(active_s) FILTER (WHERE purpose <> 'work') AS test_s
                  FROM tasks_assignment WHERE is_timed GROUP BY 1, 2)
        SELECT coalesce(s.id, -1) FROM tasks_timesheet s FULL JOIN told USING (batch_id, worker_id)
        LEFT JOIN timed USING (batch_id, worker_id)
        WHERE (coalesce(s.paid, 0), coalesce(s.paid_micros, 0), coalesce(s.exam_micros, 0),
               coalesce(s.rejected_micros, 0), coalesce(s.offered_micros, 0), coalesce(s.answers, 0),
               coalesce(s.work_s, 0), coalesce(s.test_s, 0))
            IS DISTINCT FROM (coalesce(told.paid, 0), coalesce(told.micros, 0), coalesce(told.exams, 0),
               coalesce(told.rejected, 0), coalesce(told.offered, 0), coalesce(told.answers, 0),
               coalesce(timed.work_s, 0), coalesce(timed.test_s, 0))""",
    "a reserve does not cover what its batch may come to owe": """
        WITH owed AS (
            SELECT batch_id, sum(price_micros + fee_micros) AS micros FROM tasks_answer a
            WHERE a.state IN ('leased', 'submitted') OR (a.state IN ('accepted', 'excluded') AND a.entry_id IS NULL)
                OR (a.state = 'rejected' AND EXISTS (
                    SELECT 1 FROM tasks_decision d LEFT JOIN tasks_appeal p ON p.decision_id = d.id
                    WHERE d.answer_id = a.id AND d.state = 'standing'
                        AND (p.state = 'open' OR (p.id IS NULL AND d.contestable_until > clock_timestamp()))))
            GROUP BY batch_id),
        kept AS (
            SELECT w.batch_id, sum(w.price_micros + w.fee_micros) AS micros FROM tasks_withheld w
            JOIN tasks_decision d ON d.id = w.decision_id LEFT JOIN tasks_appeal p ON p.decision_id = d.id
            WHERE w.entry_id IS NULL AND d.state = 'standing'
                AND (p.state = 'open' OR (p.id IS NULL AND d.contestable_until > clock_timestamp()))
            GROUP BY w.batch_id),
        golden AS (SELECT a.batch_id, count(*) AS answers FROM tasks_answer a JOIN tasks_gold g ON g.task_id = a.task_id
                   WHERE a.attempt = 0 AND a.state IN ('leased', 'submitted', 'accepted', 'rejected', 'excluded')
                   GROUP BY a.batch_id),
        most AS (SELECT b.id AS batch_id, p.micros + p.micros * b.fee_bp / 10000 AS micros FROM tasks_batch b, LATERAL (
                     SELECT max(micros) AS micros FROM (
                         SELECT b.price_micros AS micros UNION ALL
                         SELECT (tier ->> 'price_micros')::bigint FROM jsonb_array_elements(b.tiers) tier) either) p),
        to_come AS (
            SELECT b.id AS batch_id, greatest(0, b.gold_bought - coalesce(golden.answers, 0)) * most.micros
                + CASE WHEN b.exam_size > 0 THEN b.exam_paid_most - b.exams_taken ELSE 0 END
                    * (b.exam_price_micros + b.exam_price_micros * b.fee_bp / 10000) AS micros
            FROM tasks_batch b JOIN most ON most.batch_id = b.id LEFT JOIN golden ON golden.batch_id = b.id
            WHERE b.state = 'open'),
        gone AS (SELECT task_id, count(*) AS answers FROM tasks_answer
                 WHERE superseded_at IS NOT NULL AND state IN ('submitted', 'accepted') GROUP BY task_id),
        seats AS (  -- those there are; where the budget was never lowered, also those that may yet be bought
            SELECT t.batch_id, most.micros * sum(CASE
                WHEN b.lowered_at IS NULL AND t.state = 'open'
                THEN greatest(b.redundancy_max + coalesce(gone.answers, 0), t.bought)
                ELSE t.bought END - t.taken) AS micros
            FROM tasks_task t JOIN tasks_batch b ON b.id = t.batch_id JOIN most ON most.batch_id = b.id
            LEFT JOIN gone ON gone.task_id = t.id
            WHERE b.state = 'open' AND (t.state = 'open' OR t.open) GROUP BY t.batch_id, most.micros)
        SELECT b.id FROM tasks_batch b JOIN payments_reserve r ON r.subject = 'batch:' || b.id
        JOIN payments_account acc ON acc.id = r.account_id
        LEFT JOIN owed ON owed.batch_id = b.id LEFT JOIN kept ON kept.batch_id = b.id
        LEFT JOIN seats ON seats.batch_id = b.id LEFT JOIN to_come ON to_come.batch_id = b.id
        WHERE acc.credits_micros - acc.debits_micros < coalesce(owed.micros, 0) + coalesce(kept.micros, 0)
            + coalesce(seats.micros, 0) + coalesce(to_come.micros, 0)""",
    "a bonus moved another sum than it says, or to another": """
        WITH said AS (
            SELECT b.entry_id, w.user_id, sum(b.amount_micros) AS micros, min(b.id) AS id FROM tasks_bonus b
            JOIN workers_worker w ON w.id = b.worker_id GROUP BY 1, 2
            UNION ALL SELECT entry_id, 0, sum(fee_micros), min(id) FROM tasks_bonus GROUP BY entry_id),
        moved AS (
            SELECT e.id AS entry_id, coalesce(acc.user_id, 0) AS user_id, sum(t.amount_micros) AS micros
            FROM payments_entry e JOIN payments_transfer t ON t.entry_id = e.id
            JOIN payments_account acc ON acc.id = t.credit_id WHERE e.kind = 'bonus' GROUP BY 1, 2)
        SELECT coalesce(said.id, -moved.entry_id) FROM said FULL JOIN moved USING (entry_id, user_id)
        WHERE coalesce(said.micros, 0) <> coalesce(moved.micros, 0)""",
    "a bonus is paid by an entry that names none of its own": """
        SELECT b.id FROM tasks_bonus b JOIN payments_entry e ON e.id = b.entry_id
        LEFT JOIN tasks_bonus first ON first.entry_id = e.id AND e.key = 'bonus:' || first.public_id
        WHERE first.id IS NULL""",
    "an answer that was superseded is still held against its worker, or for them": """
        SELECT x.id FROM tasks_answer x JOIN tasks_evidence e ON e.answer_id = x.id AND e.kind = 'consensus'
        LEFT JOIN tasks_evidencevoid v ON v.evidence_id = e.id WHERE x.superseded_at IS NOT NULL AND v.id IS NULL""",
    "an answer is superseded that nobody handed in as work": """
        SELECT id FROM tasks_answer WHERE superseded_at IS NOT NULL AND (attempt <> 0 OR submitted_at IS NULL)""",
    # Weighed as `workers.scoring.weight` does, to a millionth; sums of half-life 0 wait to be counted
    "reliability is not what its evidence comes to": f"""
        WITH weighed AS (
            SELECT e.worker_id, e.project_id, e.correct, v.id IS NULL AS counts, {WEIGHT} AS weight
            FROM tasks_evidence e LEFT JOIN tasks_evidencevoid v ON v.evidence_id = e.id
            LEFT JOIN workers_reliability r ON r.worker_id = e.worker_id AND r.project_id = e.project_id
            WHERE e.kind <> 'speed'),
        told AS (SELECT worker_id, project_id, coalesce(sum(correct * weight) FILTER (WHERE counts), 0) AS correct,
                        coalesce(sum(weight) FILTER (WHERE counts), 0) AS judged, sum(weight) AS most
                 FROM weighed GROUP BY 1, 2)
        SELECT coalesce(told.worker_id, r.worker_id) FROM told
        FULL JOIN workers_reliability r USING (worker_id, project_id)
        WHERE r.half_life_days IS DISTINCT FROM 0 AND (
            abs(coalesce(told.judged, 0) - coalesce(r.judged_sum, 0)) > 1e-6 * coalesce(told.most, 0)
            OR abs(coalesce(told.correct, 0) - coalesce(r.correct_sum, 0)) > 1e-6 * coalesce(told.most, 0)
            OR abs(r.judged * {WORTH} - r.judged_sum) > 1e-6 * coalesce(told.most, 0)
            OR abs(r.correct * {WORTH} - r.correct_sum) > 1e-6 * coalesce(told.most, 0))""",
    "what a worker is over all projects is not the sum of what they are in each": """
        WITH told AS (SELECT worker_id, sum(correct_sum) AS correct, sum(judged_sum) AS judged,
                             bool_or(half_life_days = 0) AS waits
                      FROM workers_reliability GROUP BY 1)
        SELECT coalesce(told.worker_id, r.worker_id) FROM told
        FULL JOIN workers_overallreliability r USING (worker_id)
        WHERE NOT coalesce(told.waits, false) AND (
            r.id IS NULL OR told.worker_id IS NULL OR abs(told.correct - r.correct_sum) > 1e-6 * told.judged + 1e-9
            OR abs(told.judged - r.judged_sum) > 1e-6 * told.judged + 1e-9)""",
    "a worker's confusions are not what their evidence comes to": f"""
        WITH weighed AS (
            SELECT e.worker_id, e.project_id, field.key AS field, v.id IS NULL AS counts,
                   {WEIGHT} * (SELECT sum(share.value::float8) FROM jsonb_each_text(field.value) share) AS weight
            FROM tasks_evidence e JOIN workers_reliability r USING (worker_id, project_id)
            LEFT JOIN tasks_evidencevoid v ON v.evidence_id = e.id,
            jsonb_each(CASE jsonb_typeof(e.truths) WHEN 'object' THEN e.truths ELSE '{{}}' END) field
            WHERE e.kind <> 'speed' AND r.half_life_days <> 0),
        told AS (SELECT worker_id, project_id, field, coalesce(sum(weight) FILTER (WHERE counts), 0) AS judged,
                        sum(weight) AS most
                 FROM weighed GROUP BY 1, 2, 3),
        kept AS (SELECT worker_id, project_id, field, (SELECT sum(n) FROM unnest(counts) n) AS judged
                 FROM workers_confusion)
        SELECT coalesce(told.worker_id, kept.worker_id) FROM told FULL JOIN kept USING (worker_id, project_id, field)
        WHERE abs(coalesce(told.judged, 0) - coalesce(kept.judged, 0)) > 1e-6 * coalesce(told.most, 0)""",
    "a worker's record is not what was paid and finally rejected": """
        WITH told AS (
            SELECT worker_id, organisation_id, sum(approved) AS approved, sum(rejected) AS rejected FROM (
                SELECT a.worker_id, p.organisation_id, 1 AS approved, 0 AS rejected FROM tasks_answer a
                JOIN tasks_batch b ON b.id = a.batch_id JOIN marketplace_project p ON p.id = b.project_id
                WHERE a.entry_id IS NOT NULL
                UNION ALL SELECT worker_id, organisation_id, 0, 1 FROM tasks_decision WHERE counted) parts
            GROUP BY GROUPING SETS ((worker_id, organisation_id), (worker_id)))
        SELECT coalesce(told.worker_id, r.worker_id) FROM told FULL JOIN workers_record r
        ON r.worker_id = told.worker_id AND coalesce(r.organisation_id, 0) = coalesce(told.organisation_id, 0)
        WHERE (coalesce(r.approved, 0), coalesce(r.rejected, 0))
            IS DISTINCT FROM (coalesce(told.approved, 0), coalesce(told.rejected, 0))""",
    "a label was reviewed by who had answered it": """
        SELECT r.id FROM tasks_review r JOIN tasks_answer a ON a.task_id = r.task_id AND a.submitted_at < r.decided_at
        JOIN workers_worker w ON w.id = a.worker_id AND w.user_id = r.decided_by_id""",
    "two verdicts on one label, one after the other, were given by the same person": """
        SELECT r.id FROM tasks_review r JOIN tasks_review other ON other.task_id = r.task_id AND other.id < r.id
        WHERE r.decided_by_id = other.decided_by_id AND r.state <> 'void' AND r.value IS NOT NULL
            AND other.value IS NOT NULL AND (r.tier = 2 OR other.state <> 'void')""",
    # a touch is gone once consensus has weighed what was decided
    "a label is not what its reviewer said": """
        SELECT r.id FROM tasks_review r JOIN tasks_consensus c ON c.task_id = r.task_id AND r.value ? c.field
        WHERE r.state = 'final' AND c.value IS DISTINCT FROM r.value -> c.field
            AND NOT EXISTS (SELECT FROM tasks_touch t WHERE t.task_id = r.task_id)""",
    "a batch's figures are not the counts of its rows": """
        WITH told AS (
            SELECT batch_id, sum(tasks) AS tasks, sum(closed) AS closed, sum(bought) AS bought, sum(leased) AS leased,
                   sum(submitted) AS submitted, sum(accepted) AS accepted, sum(rejected) AS rejected,
                   sum(excluded) AS excluded, sum(gold) AS gold, sum(gold_out) AS gold_out, sum(withdrawn) AS withdrawn
            FROM (SELECT batch_id, tasks, closed, bought, leased, submitted, accepted, rejected, excluded, gold,
                      gold_out, withdrawn FROM tasks_tally UNION ALL
                  SELECT batch_id, tasks, closed, bought, leased, submitted, accepted, rejected, excluded, gold,
                      gold_out, withdrawn FROM tasks_mark) parts GROUP BY batch_id),
        made AS (
            SELECT t.batch_id, count(*) AS tasks, count(*) FILTER (WHERE t.state = 'closed') AS closed,
                   sum(t.bought) AS bought, sum(t.withdrawn) AS withdrawn
            FROM tasks_task t LEFT JOIN tasks_gold g ON g.task_id = t.id WHERE g.id IS NULL GROUP BY t.batch_id),
        given AS (
            SELECT a.batch_id, count(*) FILTER (WHERE a.state = 'leased') AS leased,
                   count(*) FILTER (WHERE a.state = 'submitted') AS submitted,
                   count(*) FILTER (WHERE a.state = 'accepted') AS accepted,
                   count(*) FILTER (WHERE a.state = 'rejected') AS rejected,
                   count(*) FILTER (WHERE a.state = 'excluded') AS excluded,
                   count(g.id) FILTER (WHERE a.state IN ('submitted', 'accepted')) AS gold,
                   count(g.id) FILTER (WHERE a.state IN ('rejected', 'excluded')) AS gold_out
            FROM tasks_answer a LEFT JOIN tasks_gold g ON g.task_id = a.task_id WHERE a.attempt = 0
            GROUP BY a.batch_id)
        SELECT b.id FROM tasks_batch b LEFT JOIN told ON told.batch_id = b.id LEFT JOIN made ON made.batch_id = b.id
        LEFT JOIN given ON given.batch_id = b.id
        WHERE (coalesce(told.tasks, 0), coalesce(told.closed, 0), coalesce(told.bought, 0), coalesce(told.leased, 0),
               coalesce(told.submitted, 0), coalesce(told.accepted, 0), coalesce(told.rejected, 0),
               coalesce(told.excluded, 0), coalesce(told.gold, 0), coalesce(told.gold_out, 0),
               coalesce(told.withdrawn, 0))
           IS DISTINCT FROM
              (coalesce(made.tasks, 0), coalesce(made.closed, 0), coalesce(made.bought, 0), coalesce(given.leased, 0),
               coalesce(given.submitted, 0), coalesce(given.accepted, 0), coalesce(given.rejected, 0),
               coalesce(given.excluded, 0), coalesce(given.gold, 0), coalesce(given.gold_out, 0),
               coalesce(made.withdrawn, 0))""",
}


def check(full: bool = False) -> list[str]:
    """Every promise that does not hold, as a sentence with its first broken row; empty: all hold.

    full  read sealed transfers, too
    """
    return [*_broken(), *guards.triggers_off(APPEND_ONLY), *ledger.audit(full)]


def _broken() -> list[str]:
    found = []
    with connection.cursor() as sql:
        for sentence, query in CHECKS.items():
            sql.execute(f"SELECT * FROM ({query}) AS broken LIMIT 1")
            if row := sql.fetchone():
                found.append(f"{sentence} (row {row[0]})")
    return found

"""What must be true of all money at any time, each as one question for the first row that breaks it."""

from django.db import connection

from payments import funding_checks, statement_checks

# sentence about the first broken row -> the query that finds it; each reads one snapshot, so it may run at any time
CHECKS = {
    "{currency} {mode}: the accounts do not sum to zero but to {micros} micros": """
        SELECT currency, mode, sum(credits_micros - debits_micros) AS micros FROM payments_account
        GROUP BY currency, mode HAVING sum(credits_micros - debits_micros) <> 0
        ORDER BY currency, mode""",
    "account {id}: its totals say {credits} in, {debits} out; its transfers say {inward} in, {outward} out": """
        SELECT account.id, credits_micros AS credits, debits_micros AS debits, inward, outward
        FROM payments_account account
        LEFT JOIN (SELECT credit_id, sum(amount_micros) AS total FROM payments_transfer GROUP BY credit_id) came
               ON came.credit_id = account.id
        LEFT JOIN (SELECT debit_id, sum(amount_micros) AS total FROM payments_transfer GROUP BY debit_id) went
               ON went.debit_id = account.id
        CROSS JOIN LATERAL (SELECT coalesce(came.total, 0) AS inward, coalesce(went.total, 0) AS outward) row
        WHERE credits_micros <> inward OR debits_micros <> outward
        ORDER BY account.id""",
    "account {id} ({kind}) is overdrawn by {micros} micros": """
        SELECT id, kind, debits_micros - credits_micros AS micros FROM payments_account
        WHERE kind NOT IN ('outside', 'losses') AND debits_micros > credits_micros
        ORDER BY id""",
    "entry {id} ({key}) has no transfers": """
        SELECT id, key FROM payments_entry entry
        WHERE NOT EXISTS (SELECT 1 FROM payments_transfer WHERE entry_id = entry.id)
        ORDER BY id""",
    "transfer {id} of {amount} micros is not a positive amount between two accounts": """
        SELECT id, amount_micros AS amount FROM payments_transfer
        WHERE amount_micros <= 0 OR debit_id = credit_id
        ORDER BY id""",
    "transfer {id} is of {currency} {mode}, its accounts are not": """
        SELECT transfer.id, transfer.currency, transfer.mode FROM payments_transfer transfer
        LEFT JOIN payments_account debit ON debit.id = transfer.debit_id
              AND debit.currency = transfer.currency AND debit.mode = transfer.mode
        LEFT JOIN payments_account credit ON credit.id = transfer.credit_id
              AND credit.currency = transfer.currency AND credit.mode = transfer.mode
        WHERE debit.id IS NULL OR credit.id IS NULL
        ORDER BY transfer.id""",
    "reserve {subject}: its lines sum to {lines} micros, {moved} were moved in from the prepayment and not back": """
        SELECT subject, lines, moved FROM (
            SELECT reserve.id, reserve.subject,
                (SELECT coalesce(sum(amount_micros), 0) FROM payments_reserveline
                 WHERE reserve_id = reserve.id) AS lines,
                (SELECT coalesce(sum(amount_micros), 0) FROM payments_transfer
                 JOIN payments_account debit ON debit.id = debit_id AND debit.kind = 'prepaid'
                 WHERE credit_id = reserve.account_id)
                - (SELECT coalesce(sum(amount_micros), 0) FROM payments_transfer
                   JOIN payments_account credit ON credit.id = credit_id AND credit.kind = 'prepaid'
                   WHERE debit_id = reserve.account_id) AS moved
            FROM payments_reserve reserve) row
        WHERE lines <> moved
        ORDER BY id""",
    "account {id}: {micros} micros are pending until {day}, and no day waits that makes them payable": """
        SELECT account.id, credits_micros - debits_micros AS micros, subject AS day FROM payments_account account
        WHERE kind = 'pending' AND credits_micros > debits_micros AND NOT EXISTS (
            SELECT 1 FROM payments_maturity row
            WHERE row.organisation_id = account.organisation_id AND row.currency = account.currency
                AND row.mode = account.mode AND row.day::text = account.subject AND row.state = 'waiting')
        ORDER BY account.id""",
    "account {id} ({kind}) is credited by entry {entry}, of kind {of}": """
        SELECT account.id, account.kind, entry.id AS entry, entry.kind AS of FROM payments_account account
        JOIN payments_transfer transfer ON transfer.credit_id = account.id
        JOIN payments_entry entry ON entry.id = transfer.entry_id
        WHERE account.kind = 'pending' AND entry.kind <> 'settlement'
        ORDER BY account.id, entry.id""",
    "prepayment {id} is {state}, of {amount} micros; its entry moved {moved}": """
        SELECT id, state, amount_micros AS amount, moved FROM payments_prepayment
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(transfer.amount_micros), 0) AS moved FROM payments_entry entry
            JOIN payments_transfer transfer ON transfer.entry_id = entry.id
            WHERE entry.key = 'prepayment:' || payments_prepayment.id) row
        WHERE moved <> CASE state WHEN 'paid' THEN amount_micros ELSE 0 END
        ORDER BY id""",
    "payout {id} is {state}, of {amount} micros; its entries moved {reserved} on, {paid} out and {returned} back": """
        SELECT id, state, amount_micros AS amount, reserved, paid, returned + reversed AS returned FROM payments_payout
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(transfer.amount_micros) FILTER (WHERE entry.kind = 'payout'), 0) AS reserved,
                   coalesce(sum(transfer.amount_micros) FILTER (WHERE entry.kind = 'payout_paid'), 0) AS paid,
                   coalesce(sum(transfer.amount_micros) FILTER (WHERE entry.kind = 'payout_failed'), 0) AS returned,
                   coalesce(sum(transfer.amount_micros) FILTER (WHERE entry.kind = 'payout_reversed'), 0) AS reversed
            FROM payments_entry entry
            JOIN payments_transfer transfer ON transfer.entry_id = entry.id
            WHERE entry.key = ANY (ARRAY['payout:' || payments_payout.id,
                                         'payout:' || payments_payout.id || ':paid',
                                         'payout:' || payments_payout.id || ':failed',
                                         'payout:' || payments_payout.id || ':reversed'])) row
        WHERE reserved <> amount_micros
           OR paid <> CASE WHEN state IN ('paid', 'reversed') THEN amount_micros ELSE 0 END
           OR reversed <> CASE state WHEN 'reversed' THEN amount_micros ELSE 0 END
           OR returned <> CASE state WHEN 'failed' THEN amount_micros ELSE 0 END
        ORDER BY id""",
    "{currency} {mode}: {balance} micros are in transit, payouts of {waiting} micros wait": """
        SELECT coalesce(account.currency, payout.currency) AS currency, coalesce(account.mode, payout.mode) AS mode,
               coalesce(account.balance, 0) AS balance, coalesce(payout.waiting, 0) AS waiting
        FROM (SELECT currency, mode, sum(credits_micros - debits_micros) AS balance FROM payments_account
              WHERE kind = 'in_transit' GROUP BY currency, mode) account
        FULL JOIN (SELECT currency, mode, sum(amount_micros) AS waiting FROM payments_payout
                   WHERE state IN ('review', 'requested') GROUP BY currency, mode) payout
               ON payout.currency = account.currency AND payout.mode = account.mode
        WHERE coalesce(account.balance, 0) <> coalesce(payout.waiting, 0)
        ORDER BY 1, 2""",
    **funding_checks.CHECKS,
}
CHECKS |= statement_checks.CHECKS


def broken() -> list[str]:
    """One sentence for each check that fails, about the first row that fails it."""
    return [sentence for sentence in (_first(text, query) for text, query in CHECKS.items()) if sentence]


def _first(text: str, query: str) -> str | None:
    with connection.cursor() as cursor:
        cursor.execute(f"{query} LIMIT 1")
        row = cursor.fetchone()
        names = [column.name for column in cursor.description]
    return text.format(**dict(zip(names, row, strict=True))) if row else None

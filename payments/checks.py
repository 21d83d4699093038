"""What must be true of all money at any time, each as one question for the first row that breaks it."""

from django.db import connection

from payments import funding_checks, statement_checks

# sentence about the first broken row -> the query that finds it; each reads one snapshot, so it may run at any time.
# A query that names %(after)s reads transfers behind that key only, for those before are sealed; with 0 it reads all.
CHECKS = {
    "{currency} {mode}: the accounts do not sum to zero but to {micros} micros": """
        SELECT currency, mode, sum(credits_micros - debits_micros) AS micros FROM payments_account
        GROUP BY currency, mode HAVING sum(credits_micros - debits_micros) <> 0
        ORDER BY currency, mode""",
    "account {id}: its totals say {credits} in, {debits} out; its transfers say {inward} in, {outward} out": """
        WITH came AS (SELECT credit_id, sum(amount_micros) AS total FROM payments_transfer
                      WHERE id > %(after)s GROUP BY credit_id),
             went AS (SELECT debit_id, sum(amount_micros) AS total FROM payments_transfer
                      WHERE id > %(after)s GROUP BY debit_id)
        SELECT account.id, credits_micros AS credits, debits_micros AS debits, row.inward, row.outward
        FROM payments_account account
        LEFT JOIN came ON came.credit_id = account.id
        LEFT JOIN went ON went.debit_id = account.id
        LEFT JOIN LATERAL (SELECT total.credits_micros AS inward, total.debits_micros AS outward
                           FROM payments_sealedtotal total WHERE total.account_id = account.id AND %(after)s > 0
                           ORDER BY total.checkpoint_id DESC LIMIT 1) sealed ON true
        CROSS JOIN LATERAL (SELECT coalesce(sealed.inward, 0) + coalesce(came.total, 0) AS inward,
                                   coalesce(sealed.outward, 0) + coalesce(went.total, 0) AS outward) row
        WHERE credits_micros <> row.inward OR debits_micros <> row.outward
        ORDER BY account.id""",
    "account {id} ({kind}) is overdrawn by {micros} micros": """
        SELECT id, kind, debits_micros - credits_micros AS micros FROM payments_account
        WHERE kind NOT IN ('outside', 'losses') AND debits_micros > credits_micros
        ORDER BY id""",
    "entry {id} ({key}) has no transfers": """
        SELECT id, key FROM payments_entry entry
        WHERE NOT EXISTS (SELECT 1 FROM payments_transfer WHERE entry_id = entry.id)
          AND id >= coalesce((SELECT entry_id FROM payments_transfer WHERE id = %(after)s), 0)
        ORDER BY id""",
    "transfer {id} of {amount} micros is not a positive amount between two accounts": """
        SELECT id, amount_micros AS amount FROM payments_transfer
        WHERE id > %(after)s AND (amount_micros <= 0 OR debit_id = credit_id)
        ORDER BY id""",
    "transfer {id} is of {currency} {mode}, its accounts are not": """
        SELECT transfer.id, transfer.currency, transfer.mode FROM payments_transfer transfer
        LEFT JOIN payments_account debit ON debit.id = transfer.debit_id
              AND debit.currency = transfer.currency AND debit.mode = transfer.mode
        LEFT JOIN payments_account credit ON credit.id = transfer.credit_id
              AND credit.currency = transfer.currency AND credit.mode = transfer.mode
        WHERE transfer.id > %(after)s AND (debit.id IS NULL OR credit.id IS NULL)
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
            FROM payments_reserve reserve
            WHERE %(after)s = 0 OR reserve.account_id IN (
                SELECT unnest(ARRAY[debit_id, credit_id]) FROM payments_transfer WHERE id > %(after)s)) row
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
        WHERE account.kind = 'pending' AND transfer.id > %(after)s
          AND entry.kind NOT IN ('settlement', 'top_up', 'bonus')
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
    "{currency} {mode}: {inside} micros are here from outside; prepayments, refunds, disputes, payouts say {told}": """
        WITH told AS (
            SELECT currency, mode, amount_micros AS micros FROM payments_prepayment WHERE state = 'paid'
            UNION ALL
            SELECT paid.currency, paid.mode, -refund.amount_micros FROM payments_refund refund
            JOIN payments_prepayment paid ON paid.id = refund.prepayment_id WHERE refund.state = 'paid'
            UNION ALL
            SELECT paid.currency, paid.mode, -dispute.amount_micros FROM payments_dispute dispute
            JOIN payments_prepayment paid ON paid.id = dispute.prepayment_id WHERE dispute.state <> 'won'
            UNION ALL
            SELECT currency, mode, -amount_micros FROM payments_payout WHERE state = 'paid'
            UNION ALL
            SELECT transfer.currency, transfer.mode,
                   CASE debit.kind WHEN 'outside' THEN transfer.amount_micros ELSE -transfer.amount_micros END
            FROM payments_correction correction JOIN payments_transfer transfer
                 ON transfer.entry_id = correction.reversal_id
            JOIN payments_account debit ON debit.id = transfer.debit_id
            JOIN payments_account credit ON credit.id = transfer.credit_id
            WHERE 'outside' IN (debit.kind, credit.kind)),
        sums AS (SELECT currency, mode, sum(micros) AS told FROM told GROUP BY currency, mode),
        outside AS (SELECT currency, mode, sum(debits_micros - credits_micros) AS inside FROM payments_account
                    WHERE kind = 'outside' GROUP BY currency, mode)
        SELECT currency, mode, coalesce(inside, 0) AS inside, coalesce(told, 0) AS told
        FROM outside FULL JOIN sums USING (currency, mode)
        WHERE coalesce(inside, 0) <> coalesce(told, 0)
        ORDER BY currency, mode""",
    "correction {id} is {state}; its reversal moved {moved} of {amount} micros back": """
        SELECT correction.id, state, amount_micros AS amount, moved FROM payments_correction correction
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(back.amount_micros), 0) AS moved FROM payments_entry reversal
            JOIN payments_transfer back ON back.entry_id = reversal.id
            WHERE reversal.id = correction.reversal_id AND reversal.key = 'reversal:' || correction.entry_id
              AND EXISTS (SELECT 1 FROM payments_transfer forth
                          JOIN payments_account source ON source.id = forth.debit_id
                          JOIN payments_account given ON given.id = back.credit_id
                          WHERE forth.entry_id = correction.entry_id AND forth.credit_id = back.debit_id
                            AND (forth.debit_id = given.id  -- or a fee, into what is prepaid
                                 OR given.kind = 'prepaid' AND given.organisation_id = source.organisation_id))) row
        WHERE moved <> CASE state WHEN 'posted' THEN amount_micros ELSE 0 END
        ORDER BY correction.id""",
    "entry {id} ({key}) reverses another without a correction that was posted": """
        SELECT id, key FROM payments_entry entry
        WHERE kind = 'reversal' AND NOT EXISTS (
            SELECT 1 FROM payments_correction WHERE reversal_id = entry.id AND state = 'posted')
        ORDER BY id""",
    "transfer {id} takes {amount} micros of earnings back to {kind}": """
        SELECT transfer.id, transfer.amount_micros AS amount, credit.kind FROM payments_transfer transfer
        JOIN payments_account debit ON debit.id = transfer.debit_id
        JOIN payments_account credit ON credit.id = transfer.credit_id
        WHERE transfer.id > %(after)s AND (debit.kind = 'earnings' AND credit.kind <> 'in_transit'
            OR debit.kind = 'pending' AND credit.kind NOT IN ('earnings', 'in_transit'))
        ORDER BY transfer.id""",
    "{currency} {mode}: {micros} micros more came back from losses than were lost": """
        SELECT currency, mode, sum(credits_micros - debits_micros) AS micros FROM payments_account
        WHERE kind = 'losses' GROUP BY currency, mode HAVING sum(credits_micros - debits_micros) > 0
        ORDER BY currency, mode""",
}
CHECKS |= statement_checks.CHECKS


def broken(after: int = 0) -> list[str]:
    """One sentence for each check that fails, about the first row that fails it.

    after  the last transfer that is sealed; 0: none is taken for granted
    """
    return [sentence for sentence in (_first(text, query, after) for text, query in CHECKS.items()) if sentence]


def _first(text: str, query: str, after: int) -> str | None:
    with connection.cursor() as cursor:
        cursor.execute(f"{query} LIMIT 1", {"after": after} if "%(after)s" in query else None)
        row = cursor.fetchone()
        names = [column.name for column in cursor.description]
    return text.format(**dict(zip(names, row, strict=True))) if row else None

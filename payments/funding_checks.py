"""What must be true of refunds and disputes at any time; as `checks`, which asks them too."""

CHECKS = {
    "prepayment {id} is paid, but nothing says when or from when it may leave": """
        SELECT id FROM payments_prepayment WHERE state = 'paid' AND (paid_at IS NULL OR payable_from IS NULL)
        ORDER BY id""",
    "prepayment {id}: {said} micros are said to be asked back, its refunds are of {refunds}": """
        SELECT id, refunded_micros AS said, refunds FROM payments_prepayment
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(amount_micros), 0) AS refunds FROM payments_refund
            WHERE prepayment_id = payments_prepayment.id AND state IN ('proposed', 'requested', 'paid')) row
        WHERE refunded_micros <> refunds
        ORDER BY id""",
    "prepayment {id}: {said} micros are said to be taken back, its disputes are of {disputes}": """
        SELECT id, disputed_micros AS said, disputes FROM payments_prepayment
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(amount_micros), 0) AS disputes FROM payments_dispute
            WHERE prepayment_id = payments_prepayment.id AND state IN ('open', 'lost')) row
        WHERE disputed_micros <> disputes
        ORDER BY id""",
    "refund {id} is {state}, of {amount} micros; its entries moved {begun} on, {paid} out and {returned} back": """
        SELECT id, state, amount_micros AS amount, begun, paid, returned FROM payments_refund
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(transfer.amount_micros) FILTER (WHERE entry.kind = 'refund'), 0) AS begun,
                   coalesce(sum(transfer.amount_micros) FILTER (WHERE entry.kind = 'refund_paid'), 0) AS paid,
                   coalesce(sum(transfer.amount_micros) FILTER (WHERE entry.kind = 'refund_failed'), 0) AS returned
            FROM payments_entry entry
            JOIN payments_transfer transfer ON transfer.entry_id = entry.id
            WHERE entry.key = ANY (ARRAY['refund:' || payments_refund.id,
                                         'refund:' || payments_refund.id || ':paid',
                                         'refund:' || payments_refund.id || ':failed'])) row
        WHERE begun <> amount_micros
           OR NOT paid = ANY (CASE state WHEN 'paid' THEN ARRAY[amount_micros]
                                         WHEN 'failed' THEN ARRAY[0, amount_micros] ELSE ARRAY[0] END)
           OR returned <> CASE WHEN state IN ('failed', 'declined') THEN amount_micros ELSE 0 END
        ORDER BY id""",
    "organisation {organisation}, {currency} {mode}: {balance} micros are refunding, refunds of {waiting} wait": """
        SELECT coalesce(account.organisation_id, refund.organisation_id) AS organisation,
               coalesce(account.currency, refund.currency) AS currency, coalesce(account.mode, refund.mode) AS mode,
               coalesce(account.balance, 0) AS balance, coalesce(refund.waiting, 0) AS waiting
        FROM (SELECT organisation_id, currency, mode, sum(credits_micros - debits_micros) AS balance
              FROM payments_account WHERE kind = 'refunding' GROUP BY organisation_id, currency, mode) account
        FULL JOIN (SELECT organisation_id, currency, mode, sum(payments_refund.amount_micros) AS waiting
                   FROM payments_refund JOIN payments_prepayment ON payments_prepayment.id = prepayment_id
                   WHERE payments_refund.state IN ('proposed', 'requested')
                   GROUP BY organisation_id, currency, mode) refund
               ON refund.organisation_id = account.organisation_id AND refund.currency = account.currency
              AND refund.mode = account.mode
        WHERE coalesce(account.balance, 0) <> coalesce(refund.waiting, 0)
        ORDER BY 1, 2, 3""",
    "dispute {id} is {state}, of {amount} micros, {covered} covered; its entries took {gone}, {bore} of it prepaid": """
        SELECT id, state, amount_micros AS amount, covered_micros AS covered, gone, bore FROM payments_dispute
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(CASE WHEN credit.kind = 'outside' THEN transfer.amount_micros
                                     WHEN debit.kind = 'outside' THEN -transfer.amount_micros END), 0) AS gone,
                   coalesce(sum(CASE WHEN debit.kind = 'prepaid' THEN transfer.amount_micros
                                     WHEN credit.kind = 'prepaid' THEN -transfer.amount_micros END), 0) AS bore
            FROM payments_entry entry
            JOIN payments_transfer transfer ON transfer.entry_id = entry.id
            JOIN payments_account debit ON debit.id = transfer.debit_id
            JOIN payments_account credit ON credit.id = transfer.credit_id
            WHERE entry.key = ANY (ARRAY['dispute:' || payments_dispute.id, 'dispute:' || payments_dispute.id || ':won']
                || ARRAY(SELECT 'dispute:' || payments_dispute.id || ':recovered:' || n
                         FROM generate_series(1, recoveries) n))) row
        WHERE gone <> CASE WHEN prepayment_id IS NULL OR state = 'won' THEN 0 ELSE amount_micros END
           OR bore <> CASE WHEN prepayment_id IS NULL OR state = 'won' THEN 0 ELSE covered_micros END
        ORDER BY id""",
}

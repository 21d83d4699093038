"""What must be true of the sums by months and of the documents that rest on them."""

# sentence about the first broken row -> the query that finds it; each reads one snapshot, so it may run at any time.
# Where transfers are taken for granted (%(after)s), so are months that were closed long ago, which nothing changes.
OWN = "('prepaid', 'reserve')"
LATELY = "now() - interval '40 days'"
LOOKED = f"""WITH looked AS (
            SELECT id, first_transfer FROM payments_month
            WHERE %(after)s = 0 OR closed_at IS NULL OR closed_at > {LATELY})"""
CHECKS = {
    "month {month}: {kind} from {debit} to {credit} is counted as {counted} in {many}, not {moved} in {found}": f"""
        {LOOKED}
        SELECT coalesce(found.month, kept.month_id) AS month, coalesce(found.kind, kept.kind) AS kind,
               coalesce(found.debit_id, kept.debit_id) AS debit, coalesce(found.credit_id, kept.credit_id) AS credit,
               kept.amount_micros AS counted, kept.transfers AS many, found.micros AS moved, found.transfers AS found
        FROM (SELECT m.id AS month, e.kind, t.debit_id, t.credit_id, sum(t.amount_micros) AS micros,
                     count(*) AS transfers
              FROM payments_transfer t JOIN payments_entry e ON e.id = t.entry_id
              LEFT JOIN payments_month m ON m.begins_at <= t.created_at AND t.created_at < m.ends_at
              WHERE t.id <= (SELECT counted_id FROM payments_counting)
                AND (%(after)s = 0 OR t.id >= (SELECT min(first_transfer) FROM looked)
                                      AND (m.id IS NULL OR m.id IN (SELECT id FROM looked)))
              GROUP BY 1, 2, 3, 4) found
        FULL JOIN (SELECT * FROM payments_movement WHERE month_id IN (SELECT id FROM looked)) kept
             ON kept.month_id = found.month AND kept.kind = found.kind
             AND kept.debit_id = found.debit_id AND kept.credit_id = found.credit_id
        WHERE (kept.amount_micros, kept.transfers) IS DISTINCT FROM (found.micros, found.transfers)
        ORDER BY 1, 2, 3, 4""",
    "month {month}: totals of {kind} {currency} {mode} are {credits} in, {debits} out; {inward}, {outward} moved": f"""
        {LOOKED}
        SELECT coalesce(moved.kind, kept.kind) AS kind, coalesce(moved.currency, kept.currency) AS currency,
               coalesce(moved.mode, kept.mode) AS mode, coalesce(moved.month, kept.month) AS month,
               kept.credits, kept.debits, moved.inward, moved.outward
        FROM (SELECT coalesce(a.user_id, 0) AS person, CASE WHEN a.user_id IS NULL THEN coalesce(a.organisation_id, 0)
                     ELSE 0 END AS home, a.kind, a.currency, a.mode, side.month, sum(inward) AS inward,
                     sum(outward) AS outward
              FROM (SELECT debit_id AS account, month_id AS month, 0 AS inward, amount_micros AS outward
                    FROM payments_movement
                    UNION ALL SELECT credit_id, month_id, amount_micros, 0 FROM payments_movement) side
              JOIN payments_account a ON a.id = side.account
              WHERE side.month IN (SELECT id FROM looked) GROUP BY 1, 2, 3, 4, 5, 6) moved
        FULL JOIN (SELECT coalesce(user_id, 0) AS person, coalesce(organisation_id, 0) AS home, kind, currency, mode,
                          month_id AS month, credits_micros AS credits, debits_micros AS debits
                   FROM payments_monthtotal WHERE month_id IN (SELECT id FROM looked)) kept
             ON (kept.person, kept.home, kept.kind, kept.currency, kept.mode, kept.month)
              = (moved.person, moved.home, moved.kind, moved.currency, moved.mode, moved.month)
        WHERE (kept.credits, kept.debits) IS DISTINCT FROM (moved.inward, moved.outward)
        ORDER BY 4, 1, 2, 3""",
    "month {month} of organisation {organisation}: documents of {billed} {currency} {mode}, {spent} were spent": f"""
        {LOOKED}
        SELECT coalesce(moved.month, issued.month) AS month,
               coalesce(moved.organisation, issued.organisation) AS organisation,
               coalesce(moved.currency, issued.currency) AS currency, coalesce(moved.mode, issued.mode) AS mode,
               coalesce(issued.billed, 0) AS billed, coalesce(moved.spent, 0) AS spent
        FROM (SELECT m.month_id AS month, m.organisation_id AS organisation, d.currency, d.mode,
                     c.kind IN {OWN} AS back, sum(m.amount_micros) AS spent
              FROM payments_movement m JOIN payments_month month ON month.id = m.month_id
              JOIN payments_account d ON d.id = m.debit_id JOIN payments_account c ON c.id = m.credit_id
              WHERE month.id IN (SELECT id FROM looked) AND month.invoiced_at IS NOT NULL
                AND m.organisation_id IS NOT NULL
                AND (d.kind IN {OWN}) <> (c.kind IN {OWN})
                AND d.kind NOT IN ('refunding', 'outside') AND c.kind NOT IN ('refunding', 'outside')
                AND m.kind <> 'dispute_recovered'
              GROUP BY 1, 2, 3, 4, 5) moved
        FULL JOIN (SELECT month_id AS month, organisation_id AS organisation, currency, mode,
                          kind = 'credit_note' AS back, total_micros AS billed
                   FROM payments_invoice JOIN payments_month m ON m.id = month_id
                   WHERE m.id IN (SELECT id FROM looked) AND m.invoiced_at IS NOT NULL) issued
             ON (issued.month, issued.organisation, issued.currency, issued.mode, issued.back)
              = (moved.month, moved.organisation, moved.currency, moved.mode, moved.back)
        WHERE coalesce(issued.billed, 0) <> coalesce(moved.spent, 0)
        ORDER BY 1, 2, 3, 4""",
    "document {id} is of {total} micros, {tax} of them tax; its lines say {lines}, {parts}, its taxes {taxes}": f"""
        SELECT id, total_micros AS total, tax_micros AS tax, lines, parts, taxes FROM payments_invoice
        CROSS JOIN LATERAL (SELECT coalesce(sum(amount_micros), 0) AS lines, coalesce(sum(tax_micros), 0) AS parts
                            FROM payments_invoiceline WHERE invoice_id = payments_invoice.id) line
        CROSS JOIN LATERAL (SELECT coalesce(sum(amount_micros), 0) AS taxes
                            FROM payments_invoicetax WHERE invoice_id = payments_invoice.id) tax
        WHERE (total_micros, tax_micros, tax_micros) IS DISTINCT FROM (lines, parts, taxes)
          AND (%(after)s = 0 OR issued_at > {LATELY})
        ORDER BY id""",
    "the numbers of {mode} {year} go to {last}, {issued} documents are there, the last is {highest}": """
        SELECT coalesce(s.mode, i.mode) AS mode, coalesce(s.year, i.year) AS year, coalesce(s.last, 0) AS last,
               coalesce(i.issued, 0) AS issued, coalesce(i.highest, 0) AS highest
        FROM payments_series s
        FULL JOIN (SELECT mode, year, count(*) AS issued, max(number) AS highest
                   FROM payments_invoice GROUP BY mode, year) i ON i.mode = s.mode AND i.year = s.year
        WHERE coalesce(s.last, 0) <> coalesce(i.issued, 0) OR coalesce(s.last, 0) <> coalesce(i.highest, 0)
        ORDER BY 1, 2""",
}

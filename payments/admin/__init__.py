"""The ledger for staff: everything can be found, nothing can be added, changed or deleted."""

from payments.admin import funding, ledger, oversight, paying
from payments.admin.rows import CappedPaginator

__all__ = ["CappedPaginator", "funding", "ledger", "oversight", "paying"]

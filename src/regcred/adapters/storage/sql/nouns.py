"""Every noun of the store: what both databases offer."""

from __future__ import annotations

from regcred.adapters.storage.sql.checkpoints import Checkpoints
from regcred.adapters.storage.sql.checks import Checks
from regcred.adapters.storage.sql.clusters import Clusters
from regcred.adapters.storage.sql.credentials import Credentials
from regcred.adapters.storage.sql.deliveries import Deliveries
from regcred.adapters.storage.sql.events import Events
from regcred.adapters.storage.sql.fetches import Fetches
from regcred.adapters.storage.sql.handouts import HandOuts
from regcred.adapters.storage.sql.keys import Keys
from regcred.adapters.storage.sql.leases import LeaseRows
from regcred.adapters.storage.sql.listing import Listing
from regcred.adapters.storage.sql.logins import Logins
from regcred.adapters.storage.sql.projects import Projects
from regcred.adapters.storage.sql.resolve import Resolving
from regcred.adapters.storage.sql.sealed_rows import SealedRows
from regcred.adapters.storage.sql.sealed_secrets import SealedSecrets
from regcred.adapters.storage.sql.seeds import Seeds
from regcred.adapters.storage.sql.service_keys import ServiceKeys
from regcred.adapters.storage.sql.set_back import SetBack
from regcred.adapters.storage.sql.verdicts import Uses, Verdicts
from regcred.adapters.storage.sql.webhooks import Webhooks
from regcred.adapters.storage.sql.workloads import Workloads
from regcred.adapters.storage.sql.wrong_keys import WrongKeyCounts


class Nouns(
    Projects,
    Keys,
    Credentials,
    SealedSecrets,
    Listing,
    Verdicts,
    Uses,
    Resolving,
    Fetches,
    HandOuts,
    Logins,
    Events,
    Checks,
    Webhooks,
    Deliveries,
    Clusters,
    Workloads,
    SetBack,
    Checkpoints,
    ServiceKeys,
    LeaseRows,
    Seeds,
    SealedRows,
    WrongKeyCounts,
):
    """All of them, over whatever implements `Access`."""

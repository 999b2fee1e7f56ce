"""Make the services that admit, limit and reconcile."""

from dataclasses import dataclass

from app.admission.address_buckets import AddressBuckets
from app.admission.clock import LedgerClock
from app.admission.fallback import LocalBuckets
from app.admission.gate import Gate
from app.admission.ip_limits import IpLimits
from app.admission.ledger import PeriodLedger
from app.admission.login_limits import LoginLimits
from app.admission.reconcile import Reconciler
from app.admission.relationships import RelationshipNames
from app.admission.script import AdmissionScript
from app.admission.seeding import Seeder
from app.clients import MaintenanceRedis, RequestRedis
from config.settings import OnRedisFailure, Settings, SettingsError


@dataclass(frozen=True, slots=True)
class AdmissionServices:
    """The services of this room; the gate and the IP limits share one fallback."""

    clock: LedgerClock
    gate: Gate
    ip_limits: IpLimits
    login_limits: LoginLimits
    reconciler: Reconciler


def build_admission(
    settings: Settings,
    redis: RequestRedis,
    maintenance_redis: MaintenanceRedis,
    request_ledger: PeriodLedger,
    maintenance_ledger: PeriodLedger,
) -> AdmissionServices:
    """Make the services; SettingsError if `IP_LIMIT` is refused.

    Requests use the request clients. Seeding and reconciling scan, with the maintenance clients.
    """
    names = RelationshipNames(settings.id_key)
    script = AdmissionScript(redis, names)
    maintenance_script = AdmissionScript(maintenance_redis, names)
    clock = LedgerClock(redis)
    fallback = LocalBuckets(settings.web_concurrency, clock.now_us)
    return AdmissionServices(
        clock=clock,
        gate=Gate(
            script,
            Seeder(maintenance_script, maintenance_ledger),
            request_ledger,
            clock,
            fallback,
            needs_charge=settings.quota_on_redis_failure is OnRedisFailure.DENY,
        ),
        ip_limits=_ip_limits(settings, script, fallback),
        login_limits=LoginLimits(AddressBuckets(script, fallback)),
        reconciler=Reconciler(maintenance_script, maintenance_ledger, settings.request_deadline_s),
    )


def _ip_limits(settings: Settings, script: AdmissionScript, fallback: LocalBuckets) -> IpLimits:
    try:
        return IpLimits(script, settings.ip_limit, fallback)
    except ValueError as error:
        raise SettingsError(f"IP_LIMIT: {error}; write it like 20/2seconds.") from None

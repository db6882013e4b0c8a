"""The labels and annotations by which an object says what autopilot has to do with it."""

from __future__ import annotations

DOMAIN = "autopilot.mesh"

MANAGED_BY = "app.kubernetes.io/managed-by"
"""Label on whatever autopilot makes; the value is `autopilot`."""

OPERATOR = f"{DOMAIN}/operator"
"""Label on whatever autopilot makes: the operator's name. Caches select by it."""

OWNER_UID = f"{DOMAIN}/owner-uid"
"""Label on whatever autopilot makes: the uid of the resource that it belongs to."""

OWNER = f"{DOMAIN}/owner"
"""Annotation beside it, for people: `Kind/namespace/name`."""

PAUSED = f"{DOMAIN}/paused"
"""Annotation on a resource: any value but `false` stops its workers and writes."""

UNLATCH = f"{DOMAIN}/unlatch"
"""Annotation on a resource, written by `autopilot approve KIND/NAME --latch`: any value clears the
condition `Latched`. It is removed as soon as it is seen."""

OPT_OUT = f"{DOMAIN}/opt-out"
"""Annotation on a Service or a Namespace: any value but `false` keeps autopilot's hands off it."""

ALLOW_FROM = f"{DOMAIN}/allow-from"
"""Annotation on a Namespace: the other namespaces whose resources may act on it, separated by
commas, or `*`."""

HALT_NAMESPACE, HALT_NAME = "autopilot-system", "autopilot-halt"
"""The ConfigMap that halts everything while it exists."""

APPROVE = f"{DOMAIN}/approve"
"""Annotation on a resource, written by `autopilot approve KIND/NAME PHASE`: the phase that a person
opens the way to. The next phase that is entered uses it up, whichever it is."""

SCALED = f"{DOMAIN}/scaled"
"""Annotation on a foreign workload whose replicas autopilot holds: JSON with the owner's kind,
namespace, name and uid, `before` and `after` (replica counts) and `at`."""

FINALIZER = f"{DOMAIN}/finalizer"
"""The finalizer on a primary resource."""

FIELD_MANAGER = "autopilot"
"""The prefix of the field manager in every write; an operator's is `autopilot.NAME`."""

OVERLAID = f"{DOMAIN}/overlaid"
"""Label on a foreign object with overlays, or whose field owners are still to be put back; the
value is `true`. The sweep and `halt` select by it."""

OVERLAY = f"{DOMAIN}/overlay."
"""The beginning of the annotation of one overlay on a foreign object; its short id follows."""

OVERLAID_OWNERS = f"{DOMAIN}/overlaid-owners"
"""Annotation beside it: JSON, the field owners that overlays displaced."""

OVERLAY_MANAGER = f"{FIELD_MANAGER}-overlay"
"""The field manager of all overlays, whoever wants them; no operator's has this form."""

BASE = f"{DOMAIN}/base"
"""Annotation on a neutral object that autopilot made because there was none to overlay: JSON, the
spec it was made with. It goes when its last overlay is gone, unless others changed it."""

CHAOS = f"{DOMAIN}/chaos"
"""Annotation on a Namespace: `enabled` lets experiments inject faults in front of its services."""

ABORT = f"{DOMAIN}/abort"
"""Annotation on an Experiment, written by `autopilot experiment abort`: any value ends its run."""

RERUN = f"{DOMAIN}/rerun"
"""Annotation on an Experiment, written by `autopilot experiment rerun`: any value begins another
run of one whose run is over."""

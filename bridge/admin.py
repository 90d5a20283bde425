"""The console: which page stands at which place of the admin."""

from django.contrib import admin

from bridge.console.audit import AuditPage
from bridge.models import Audit

admin.site.register(Audit, AuditPage)

# The image of all three processes: web (the default command), worker and release step.
#
#   docker build --tag turnledger .
#
# It needs no writable root: what web workers share is in /dev/shm. docs/deploy/compose.md and
# docs/deploy/kubernetes.md start it; scripts/image builds and tries it without a registry of images.

FROM python:3.11-slim-bookworm AS build
WORKDIR /srv/turnledger
COPY requirements.txt ./
# Only wheels: the image has no compiler. No pip stays in the environment.
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check \
        --only-binary :all: --require-hashes --requirement requirements.txt \
    && /venv/bin/pip uninstall --yes setuptools pip
COPY LICENSE wsgi.py ./
COPY app ./app
COPY config ./config
COPY deploy/health_check.py ./deploy/
# Nothing can be compiled later: the service runs as a user that may not write.
RUN python -m compileall -q app config deploy wsgi.py

FROM python:3.11-slim-bookworm
RUN groupadd --gid 10001 turnledger \
    && useradd --uid 10001 --gid turnledger --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin turnledger
COPY --from=build /venv /venv
COPY --from=build /srv/turnledger /srv/turnledger
WORKDIR /srv/turnledger
# FLASK_APP saves operators `--app wsgi`: `docker compose exec web flask org list`.
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    FLASK_APP=wsgi
# A number, so that Kubernetes can check that it is not root.
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
# /healthz, not /readyz: an outage of a store must not restart the service.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "deploy/health_check.py"]
CMD ["python", "-m", "app"]

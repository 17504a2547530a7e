# edge-anpr on a CPU, amd64 or arm64. How it is built and run: docs/deploy.md.
# A base by its digest (python:3.12-slim-bookworm@sha256:...) gives the same image each time.
ARG BASE=python:3.12-slim-bookworm

FROM ${BASE} AS build
WORKDIR /build
COPY requirements/runtime-cpu.txt requirements/
RUN python3 -m venv /usr/local/lib/edge-anpr \
 && /usr/local/lib/edge-anpr/bin/pip install --no-cache-dir --only-binary :all: --require-hashes \
      --requirement requirements/runtime-cpu.txt
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY edge edge
COPY models models
COPY config config
COPY tests/fixtures/clips tests/fixtures/clips
RUN /usr/local/lib/edge-anpr/bin/pip install --no-cache-dir --no-index --no-deps \
      --no-build-isolation .

FROM ${BASE}
COPY --from=build /usr/local/lib/edge-anpr /usr/local/lib/edge-anpr
# The state is this user's alone; a volume that is mounted there takes over owner and mode.
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin edge-anpr \
 && install --directory --owner edge-anpr --group edge-anpr --mode 0700 /var/lib/edge-anpr
USER 10001:10001
WORKDIR /var/lib/edge-anpr
ENV PATH=/usr/local/lib/edge-anpr/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    CREDENTIALS_DIRECTORY=/run/secrets
VOLUME /var/lib/edge-anpr
# Of the address that site.yaml gives in telemetry.listen.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python3", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:9109/healthz', timeout=4)"]
# SIGTERM ends it in order: what can be delivered within --drain is.
STOPSIGNAL SIGTERM
ENTRYPOINT ["edge-anpr"]
CMD ["--log-format", "json", "run", "--site", "/etc/edge-anpr/site", "--realtime", "--drain", "10"]

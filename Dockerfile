# The controller in a container: borgpull with the borg, ssh and socat of Debian slim. How to run it: docs/container.md
ARG BASE=debian:13-slim

FROM ${BASE} AS builder
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-venv
RUN python3 -m venv /build && python3 -m venv --without-pip /opt/borgpull
WORKDIR /borgpull
COPY requirements/ requirements/
# Each package is what its hash says, or the build ends.
RUN /build/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt \
    && /build/bin/pip --python /opt/borgpull/bin/python install --no-cache-dir --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY borgpull/ borgpull/
RUN /build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /dist . \
    && /build/bin/pip --python /opt/borgpull/bin/python install --no-cache-dir --no-deps /dist/*.whl

FROM ${BASE}
LABEL org.opencontainers.image.title="borgpull" \
      org.opencontainers.image.description="Back up many servers with BorgBackup in pull mode, close to zero trust" \
      org.opencontainers.image.licenses="MIT"
# ssh refuses to run as a user who has no entry in /etc/passwd.
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends borgbackup openssh-client python3 socat \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/* \
    && groupadd --gid 10001 borgpull \
    && useradd --uid 10001 --gid borgpull --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin borgpull \
    && install -d -o borgpull -g borgpull -m 0700 /var/cache/borgpull
COPY --from=builder /opt/borgpull /opt/borgpull
ENV PATH=/opt/borgpull/bin:/usr/bin:/bin XDG_CACHE_HOME=/var/cache
# Borg's cache of chunk ids: no secrets; without it the next run reads them from B again.
VOLUME /var/cache/borgpull
USER 10001:10001
ENTRYPOINT ["borgpull"]

# One image for every process of the system, and one for what stands in front of several web processes;
# docker-compose.yml says which command each container runs.

FROM python:3.13-slim AS build
WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# Nothing enters but what requirements.lock names, with the hashes that it names.
COPY requirements.lock ./
RUN python -m pip wheel --require-hashes --requirement requirements.lock --wheel-dir wheels
# Of these wheels the project takes what it runs on; what only tests need stays behind.
COPY pyproject.toml README.md LICENSE ./
COPY publisher publisher
COPY feeds feeds
COPY workers workers
RUN python -m venv --without-pip /opt/publisher \
 && python -m pip --python /opt/publisher/bin/python install --no-index --find-links wheels .

# From the same base, so that its health check is written in Python, too.
FROM python:3.13-slim AS front
RUN apt-get update \
 && apt-get install --yes --no-install-recommends haproxy \
 && rm -rf /var/lib/apt/lists/*
COPY workers/haproxy.cfg /etc/haproxy/haproxy.cfg
WORKDIR /tmp
USER haproxy
EXPOSE 8000
CMD ["haproxy", "-db", "-f", "/etc/haproxy/haproxy.cfg"]

FROM python:3.13-slim AS publisher
RUN useradd --system --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin publisher
COPY --from=build /opt/publisher /opt/publisher
ENV PATH=/opt/publisher/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /tmp
USER publisher
EXPOSE 8000
ENTRYPOINT ["publisher"]
CMD ["--help"]

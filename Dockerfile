# One image for each process; docker-compose.yml names the arguments. EXTRA is the process, as in `occ EXTRA`, and PORT is
# where it serves when nothing else is said:
#   docker build --build-arg EXTRA=nodes --build-arg PORT=9721 --tag occ-nodes:0.1.0 .
# Configuration, rules and runbooks are not in the image.

FROM python:3.11.14-slim-bookworm AS build
WORKDIR /src
COPY . .
# The build backend, too, is the one that the tests ran with.
ENV PIP_CONSTRAINT=/src/constraints.txt PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m pip wheel --no-deps --wheel-dir /wheels .
ARG EXTRA
RUN python -m venv --without-pip /opt/occ \
    && python -m pip --python /opt/occ/bin/python install "$(echo /wheels/occ-*.whl)[${EXTRA:?is the process}]"
# Fails where there is no such process, or where its extra lacks something.
RUN /opt/occ/bin/occ "${EXTRA}" --help

FROM python:3.11.14-slim-bookworm
ARG EXTRA
ARG PORT
LABEL org.opencontainers.image.title="occ-${EXTRA}" \
      org.opencontainers.image.description="Operational Command Center: the process ${EXTRA}" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/python:3.11.14-slim-bookworm"
RUN groupadd --gid 10001 occ \
    && useradd --uid 10001 --gid 10001 --home-dir /var/lib/occ --shell /usr/sbin/nologin occ \
    && install --directory --owner=occ --group=occ --mode=0700 /var/lib/occ
COPY --from=build /opt/occ /opt/occ
COPY --chmod=0644 scripts/healthy.py /opt/occ/healthy.py
ENV PATH=/opt/occ/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 OCC_PORT=${PORT}
USER 10001:10001
# What the process keeps stands here: mount a volume.
WORKDIR /var/lib/occ
EXPOSE ${PORT}
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s \
    CMD ["sh", "-c", "exec python /opt/occ/healthy.py http://127.0.0.1:$OCC_PORT/-/healthy"]
ENTRYPOINT ["occ"]
CMD ["--help"]

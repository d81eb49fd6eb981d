# One image for all of Airflow's components and for the command line.
# Nothing here needs BuildKit; packages are exactly those of the lock, by hash.
FROM python:3.11-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 UV_PYTHON_DOWNLOADS=never UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1

# A package mirror of your own, if you have one. Docker keeps build arguments in the image's history:
# give an address without a password.
ARG PIP_INDEX_URL=""
ARG UV_DEFAULT_INDEX=""

WORKDIR /opt/lakehouse
COPY requirements.lock pyproject.toml README.md ./
# uv stays behind in this stage; of the lock goes along what runs, not what only develops and tests
RUN python -m venv /opt/uv && python -m venv --without-pip .venv \
 && sed -n '/^uv==/,/[^\\]$/p' requirements.lock > /opt/uv/uv.lock \
 && if [ -z "$PIP_INDEX_URL" ]; then unset PIP_INDEX_URL; fi \
 && if [ -z "$UV_DEFAULT_INDEX" ]; then unset UV_DEFAULT_INDEX; fi \
 && /opt/uv/bin/python -m pip install --quiet --require-hashes --no-deps --requirement /opt/uv/uv.lock \
 && /opt/uv/bin/uv pip install --python .venv/bin/python --verify-hashes --constraint requirements.lock \
    --extra stack --requirement pyproject.toml editables hatchling

COPY lakehouse lakehouse
RUN /opt/uv/bin/uv pip install --python .venv/bin/python --no-deps --no-build-isolation --offline --editable .


FROM python:3.11-slim-bookworm

RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin lakehouse \
 && install --directory --owner lakehouse --group lakehouse --mode 0700 /var/lib/lakehouse /var/lib/objects /var/lib/queue
WORKDIR /opt/lakehouse
COPY --from=build /opt/lakehouse ./
COPY dags dags
COPY plugins plugins
COPY sql sql

ENV PATH=/opt/lakehouse/.venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 LAKEHOUSE_HOME=/var/lib/lakehouse \
    AIRFLOW_HOME=/var/lib/lakehouse/airflow
USER 10001:10001
VOLUME /var/lib/lakehouse
CMD ["lakehouse", "--help"]

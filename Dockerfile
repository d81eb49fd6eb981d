# One image for all of Airflow's components and for the command line.
# Nothing here needs BuildKit; packages are exactly those of the lock, by hash.
FROM python:3.11-slim-bookworm

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1 \
    UV_PYTHON_DOWNLOADS=never UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1

# A package mirror of your own, if you have one. Docker keeps build arguments in the image's history:
# give an address without a password.
ARG PIP_INDEX_URL=""
ARG UV_DEFAULT_INDEX=""

WORKDIR /opt/lakehouse
COPY requirements.lock pyproject.toml README.md ./
RUN python -m venv .venv \
 && sed -n '/^uv==/,/[^\\]$/p' requirements.lock > .venv/uv.lock \
 && if [ -z "$PIP_INDEX_URL" ]; then unset PIP_INDEX_URL; fi \
 && if [ -z "$UV_DEFAULT_INDEX" ]; then unset UV_DEFAULT_INDEX; fi \
 && .venv/bin/python -m pip install --quiet --require-hashes --no-deps --requirement .venv/uv.lock \
 && .venv/bin/uv pip sync --python .venv/bin/python --require-hashes requirements.lock

COPY lakehouse lakehouse
COPY dags dags
COPY plugins plugins
COPY sql sql
RUN .venv/bin/uv pip install --python .venv/bin/python --no-deps --no-build-isolation --offline --editable . \
 && useradd --uid 10001 --create-home --shell /usr/sbin/nologin lakehouse \
 && install --directory --owner lakehouse --group lakehouse --mode 0700 /var/lib/lakehouse

ENV PATH=/opt/lakehouse/.venv/bin:$PATH LAKEHOUSE_HOME=/var/lib/lakehouse \
    AIRFLOW_HOME=/var/lib/lakehouse/airflow
USER 10001:10001
VOLUME /var/lib/lakehouse
CMD ["lakehouse", "--help"]

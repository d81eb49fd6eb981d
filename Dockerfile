# One image for all of Airflow's components and for the command line.
# Nothing here needs BuildKit; packages are exactly those of the lock, by hash.
FROM python:3.11-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 UV_PYTHON_DOWNLOADS=never UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1

# A package mirror of your own, if you have one. Docker keeps build arguments in the image's history:
# give an address without a password.
ARG PIP_INDEX_URL=""
ARG UV_DEFAULT_INDEX=""

WORKDIR /opt/lakehouse
COPY requirements.lock pyproject.toml ./
# uv stays behind in this stage; of the lock goes along what runs, not what only develops and tests.
# Of ours, only its name and its programs are made known here: the code comes last, in layers of its own
RUN python -m venv /opt/uv && python -m venv --without-pip .venv \
 && sed -n '/^uv==/,/[^\\]$/p' requirements.lock > /opt/uv/uv.lock \
 && if [ -z "$PIP_INDEX_URL" ]; then unset PIP_INDEX_URL; fi \
 && if [ -z "$UV_DEFAULT_INDEX" ]; then unset UV_DEFAULT_INDEX; fi \
 && /opt/uv/bin/python -m pip install --quiet --require-hashes --no-deps --requirement /opt/uv/uv.lock \
 && /opt/uv/bin/uv pip install --python .venv/bin/python --verify-hashes --constraint requirements.lock \
    --extra stack --requirement pyproject.toml editables hatchling \
 && mkdir lakehouse && touch lakehouse/__init__.py README.md \
 && /opt/uv/bin/uv pip install --python .venv/bin/python --no-deps --no-build-isolation --offline --editable .


FROM python:3.11-slim-bookworm

RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin lakehouse \
 && install --directory --owner lakehouse --group lakehouse --mode 0700 /var/lib/lakehouse /var/lib/objects /var/lib/queue
WORKDIR /opt/lakehouse
COPY --from=build /opt/lakehouse/.venv .venv
COPY requirements.lock pyproject.toml ./
COPY lakehouse lakehouse
COPY dags dags
COPY plugins plugins
COPY sql sql
# the root file system cannot be written later: without this each process would compile what it imports
RUN .venv/bin/python -m compileall -q --invalidation-mode unchecked-hash lakehouse dags plugins

ENV PATH=/opt/lakehouse/.venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 LAKEHOUSE_HOME=/var/lib/lakehouse \
    AIRFLOW_HOME=/var/lib/lakehouse/airflow
USER 10001:10001
VOLUME /var/lib/lakehouse
CMD ["lakehouse", "--help"]

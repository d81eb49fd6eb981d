"""The kinds of words by which somebody could be known, as the truth names them."""

from enum import StrEnum


class PhiClass(StrEnum):
    """What a marked piece of a note, a header or an image is (45 CFR 164.514(b)(2), and what a
    hospital's own systems add to it)."""

    PATIENT_NAME = "patient_name"
    RELATIVE_NAME = "relative_name"
    STAFF_NAME = "staff_name"
    ORGANIZATION = "organization"
    BIRTH_DATE = "birth_date"
    DATE = "date"
    AGE = "age"
    """Only ages above 89."""
    ADDRESS = "address"
    PHONE = "phone"
    EMAIL = "email"
    SSN = "ssn"
    MRN = "mrn"
    INSURANCE_NUMBER = "insurance_number"
    VISIT_NUMBER = "visit_number"
    ACCESSION = "accession"
    RECORD_ID = "record_id"
    """Numbers of orders and documents."""
    STAFF_ID = "staff_id"
    DEVICE_SERIAL = "device_serial"

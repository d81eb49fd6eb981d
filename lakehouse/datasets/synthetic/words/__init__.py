"""The words of the synthetic hospital: invented people and places, and codes that may be passed on.

ICD-10-CM, ICD-10-PCS and CVX are in the public domain, RxNorm codes are from the prescribable subset,
LOINC codes are used under the LOINC licence (https://loinc.org/license), and the few SNOMED CT codes
are from the Global Patient Set (CC BY 4.0, SNOMED International).
"""

"""The words of the synthetic hospital: invented people and places, and the codes of their records.

ICD-10-CM, ICD-10-PCS and CVX are in the public domain, RxNorm codes are from the prescribable subset,
LOINC codes are used under the LOINC licence (https://loinc.org/license). The few SNOMED CT concepts are
named as examples; whoever uses SNOMED CT needs the licence of their country.
"""

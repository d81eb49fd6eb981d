import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.ResultSeverityEnum;
import ca.uhn.fhir.validation.SingleValidationMessage;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.SnapshotGeneratingValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;

/** Resources of R4 come in, one a line; for each error its line, place and message go out, and last how many lines were read. */
public final class Validate {
  public static void main(String[] arguments) throws IOException {
    FhirContext context = FhirContext.forR4();
    FhirInstanceValidator rules =
        new FhirInstanceValidator(
            new ValidationSupportChain(
                new DefaultProfileValidationSupport(context),
                new InMemoryTerminologyServerValidationSupport(context),
                new CommonCodeSystemsTerminologyService(context),
                new SnapshotGeneratingValidationSupport(context)));
    // profiles of US Core are no part of the base standard, and not on hand
    rules.setErrorForUnknownProfiles(false);
    rules.setAnyExtensionsAllowed(true);
    FhirValidator validator = context.newValidator().registerValidatorModule(rules);
    BufferedReader lines =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    int number = 0;
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      number++;
      for (SingleValidationMessage message : validator.validateWithResult(line).getMessages()) {
        if (message.getSeverity().compareTo(ResultSeverityEnum.ERROR) >= 0) {
          System.out.println(number + "\t" + message.getLocationString() + "\t" + message.getMessage());
        }
      }
    }
    System.out.println("READ\t" + number);
  }
}

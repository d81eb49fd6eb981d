import ca.uhn.fhir.batch2.jobs.export.BulkDataExportProvider;
import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.search.DatabaseBackedPagingProvider;
import ca.uhn.fhir.jpa.test.config.Batch2FastSchedulerConfig;
import ca.uhn.fhir.jpa.test.config.TestR4Config;
import ca.uhn.fhir.rest.api.EncodingEnum;
import ca.uhn.fhir.rest.server.HardcodedServerAddressStrategy;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.provider.ResourceProviderFactory;
import java.net.InetSocketAddress;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;

/**
 * A HAPI FHIR R4 server in memory, on loopback, at a port that it chooses and prints as `READY port`.
 * It ends when its standard input does: it never outlives the test that started it.
 */
public class FhirServer {
  public static void main(String[] arguments) throws Exception {
    TestR4Config.ourMaxThreads = 20;
    // without the fast scheduler an export takes minutes
    var application =
        new AnnotationConfigApplicationContext(TestR4Config.class, Batch2FastSchedulerConfig.class);
    acceptWhatBulkFilesHold(application.getBean(JpaStorageSettings.class));

    var fhir = new RestfulServer(application.getBean(FhirContext.class));
    fhir.registerProviders(
        application.getBean("myResourceProvidersR4", ResourceProviderFactory.class).createProviders());
    fhir.registerProvider(application.getBean("mySystemProviderR4"));
    fhir.registerProvider(application.getBean(BulkDataExportProvider.class));
    fhir.setPagingProvider(application.getBean(DatabaseBackedPagingProvider.class));
    fhir.setDefaultResponseEncoding(EncodingEnum.JSON);

    var server = new Server(new InetSocketAddress("127.0.0.1", 0));
    var context = new ServletContextHandler("/");
    context.addServlet(new ServletHolder(fhir), "/fhir/*");
    server.setHandler(context);
    server.start();
    int port = ((ServerConnector) server.getConnectors()[0]).getLocalPort();
    fhir.setServerAddressStrategy(
        new HardcodedServerAddressStrategy("http://127.0.0.1:" + port + "/fhir"));
    System.out.println("READY " + port);

    while (System.in.read() != -1) {}
    System.exit(0);
  }

  /** References to what is not there yet, and by identifier: what is referenced comes later. */
  private static void acceptWhatBulkFilesHold(JpaStorageSettings settings) {
    settings.setEnforceReferentialIntegrityOnWrite(false);
    settings.setAllowExternalReferences(true);
    settings.setAllowInlineMatchUrlReferences(true);
    settings.setAutoCreatePlaceholderReferenceTargets(true);
    settings.setPopulateIdentifierInAutoCreatedPlaceholderReferenceTargets(true);
  }
}

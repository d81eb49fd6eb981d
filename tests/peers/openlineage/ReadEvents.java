import io.openlineage.client.OpenLineageClientUtils;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/** Run events come in, one a line, and go out as the client understood them; it ends with an error at one that it cannot read. */
public final class ReadEvents {
  public static void main(String[] arguments) throws IOException {
    BufferedReader lines =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      out.println(OpenLineageClientUtils.toJson(OpenLineageClientUtils.runEventFromJson(line)).replace("\n", " "));
    }
  }
}
